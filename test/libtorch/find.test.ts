import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import { libraryFileName } from "#lib/libtorch/library.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;

beforeEach(() => {
  directory = temporaryFolder("find-libtorch");
  vi.stubEnv("LIBTORCH", "");
  vi.stubEnv("REWARD_MODEL_SCORE_CACHE", join(directory, "cache"));
  vi.stubEnv("REWARD_MODEL_SCORE_SKIP_VERSION_CHECK", "");
  // No Python, unless a test puts one there.
  vi.stubEnv("PATH", join(directory, "bin"));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function libtorch(name: string, version: string): string {
  const root = join(directory, name);
  write(join(root, "lib", libraryFileName("torch_cpu")), "");
  write(join(root, "build-version"), `${version}\n`);
  return root;
}

function pythonTorch(version: string): string {
  const root = join(directory, "site-packages/torch");
  write(join(root, "lib", libraryFileName("torch_cpu")), "");
  write(join(root, "version.py"), `from typing import Optional\n__version__ = '${version}'\n`);
  const python = join(directory, "bin/python3");
  write(python, `#!/bin/sh\necho "MAJOR: 3"\necho "TORCH: ${root}"\n`);
  chmodSync(python, 0o755);
  vi.stubEnv("PATH", [join(directory, "bin"), "/bin", "/usr/bin"].join(delimiter));
  return root;
}

describe("findLibtorch", () => {
  it("takes the option, then LIBTORCH, then the cache, then Python's torch", async () => {
    const python = pythonTorch("2.13.1");
    expect(await findLibtorch()).toEqual({ root: python, version: "2.13.1", source: "python" });
    const cached = libtorch("cache/libtorch-2.13.0-cpu", "2.13.0+cpu");
    expect(await findLibtorch()).toEqual({ root: cached, version: "2.13.0+cpu", source: "cache" });
    const variable = libtorch("variable", "2.13.0");
    vi.stubEnv("LIBTORCH", variable);
    expect(await findLibtorch()).toEqual({ root: variable, version: "2.13.0", source: "LIBTORCH" });
    const option = libtorch("option", "2.13.0+cu130");
    expect(await findLibtorch(option)).toEqual({ root: option, version: "2.13.0+cu130", source: "option" });
  });

  it("prefers a CUDA build in the cache to a CPU build", async () => {
    libtorch("cache/libtorch-2.13.0-cpu", "2.13.0+cpu");
    const cuda = libtorch("cache/libtorch-2.13.0-cu130", "2.13.0+cu130");
    expect((await findLibtorch()).root).toBe(cuda);
  });

  it("names every place it searched and the command that helps", async () => {
    const error = await findLibtorch().catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "ERR_RUNTIME_NOT_FOUND",
      details: {
        searched: [
          "LIBTORCH (not set)",
          join(directory, "cache/libtorch-2.13.*"),
          "Python's torch (no python3 on the PATH)",
        ],
      },
    });
    expect((error as Error).message).toContain("npx reward-model-score setup");
    for (const place of ["LIBTORCH", "cache", "Python"]) expect((error as Error).message).toContain(place);
  });

  it("refuses a named folder that holds no libtorch instead of searching on", async () => {
    libtorch("cache/libtorch-2.13.0-cpu", "2.13.0+cpu");
    vi.stubEnv("LIBTORCH", join(directory, "nothing"));
    await expect(findLibtorch()).rejects.toMatchObject({
      code: "ERR_RUNTIME_NOT_FOUND",
      details: { searched: [join(directory, "nothing")] },
    });
  });

  it("refuses a named folder of another version, with both versions and the bypass", async () => {
    const old = libtorch("old", "2.9.1+cpu");
    await expect(findLibtorch(old)).rejects.toMatchObject({
      code: "ERR_RUNTIME_VERSION",
      details: { found: "2.9.1+cpu", expected: "2.13" },
      message: expect.stringContaining("REWARD_MODEL_SCORE_SKIP_VERSION_CHECK") as string,
    });
    vi.stubEnv("REWARD_MODEL_SCORE_SKIP_VERSION_CHECK", "1");
    expect((await findLibtorch(old)).version).toBe("2.9.1+cpu");
  });

  it("does not take 2.130 for 2.13", async () => {
    await expect(findLibtorch(libtorch("far", "2.130.0"))).rejects.toMatchObject({
      code: "ERR_RUNTIME_VERSION",
    });
  });

  it("passes over a Python torch of another version and says which", async () => {
    const root = pythonTorch("2.9.1");
    await expect(findLibtorch()).rejects.toMatchObject({
      code: "ERR_RUNTIME_NOT_FOUND",
      message: expect.stringContaining(`${root} (version 2.9.1, but 2.13 is needed)`) as string,
    });
  });

  it("passes over a folder in the cache that is not complete", async () => {
    mkdirSync(join(directory, "cache/libtorch-2.13.0-cpu/lib"), { recursive: true });
    await expect(findLibtorch()).rejects.toMatchObject({ code: "ERR_RUNTIME_NOT_FOUND" });
  });

  it("reads the version from the headers where no file of its own states it", async () => {
    const root = join(directory, "plain");
    write(join(root, "lib", libraryFileName("torch_cpu")), "");
    expect((await findLibtorch(root)).version).toBeUndefined();
    const defines = ["MAJOR 2", "MINOR 13", "PATCH 0"].map((part) => `#define TORCH_VERSION_${part}`);
    write(join(root, "include/torch/headeronly/version.h"), defines.join("\n"));
    expect((await findLibtorch(root)).version).toBe("2.13.0");
  });
});
