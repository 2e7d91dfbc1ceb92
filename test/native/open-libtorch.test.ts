import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { libraryFileName } from "#lib/libtorch/library.js";
import { openLibtorch } from "#lib/native/open-libtorch.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;

beforeEach(() => {
  directory = temporaryFolder("open-libtorch");
  vi.stubEnv("PATH", join(directory, "bin"));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A linker's view: which libraries there are, what each needs, and which are in the process. */
class FakeLoader {
  readonly opened: string[] = [];

  constructor(private readonly needs: Record<string, string[]> = {}) {}

  engine = () => null;

  open(path: string): Promise<string | null> {
    const name = path.slice(dirname(path).length + 1);
    const missing = (this.needs[name] ?? []).find((need) => !this.opened.some((one) => one.endsWith(need)));
    if (missing !== undefined) {
      return Promise.resolve(`${missing}: cannot open shared object file: No such file or directory`);
    }
    this.opened.push(path);
    return Promise.resolve(null);
  }
}

function write(path: string, text = ""): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
}

function python(...folders: string[]): void {
  const lines = folders.map((folder) => `echo "LIBRARIES: ${join(directory, folder)}"`).join("\n");
  write("bin/python3", `#!/bin/sh\necho "MAJOR: 3"\n${lines}\n`);
  chmodSync(join(directory, "bin/python3"), 0o755);
}

const library = (name: string) => join(directory, "torch/lib", libraryFileName(name));

describe("a CPU build", () => {
  it("is opened in the order in which its parts need each other", async () => {
    const loader = new FakeLoader();
    expect(await openLibtorch(loader, join(directory, "torch"))).toBeUndefined();
    expect(loader.opened).toEqual([library("c10"), library("torch_cpu")]);
  });

  it("that lacks a library says which", async () => {
    const loader = new FakeLoader({ [libraryFileName("torch_cpu")]: ["libgomp.so.1"] });
    const error = await openLibtorch(loader, join(directory, "torch")).catch((reason: unknown) => reason);
    expect(RewardModelScoreError.is(error, "ERR_RUNTIME_NOT_FOUND")).toBe(true);
    expect((error as Error).message).toContain("libgomp.so.1: cannot open shared object file");
  });

  it("beside another one in the process names it", async () => {
    const loader = {
      engine: () => null,
      open: () => Promise.resolve("the process already uses /x/libc10.so"),
    };
    await expect(openLibtorch(loader, directory)).rejects.toThrow(
      /\/x\/libc10\.so\. Name that libtorch's folder/,
    );
  });
});

describe("a CUDA build", () => {
  const needs = {
    [libraryFileName("torch_cpu")]: ["libcudart.so.13"],
    [libraryFileName("torch_cuda")]: ["libcublas.so.13", "libcudnn.so.9"],
    "libcublas.so.13": ["libcublasLt.so.13"],
  };

  beforeEach(() => write(`torch/lib/${libraryFileName("torch_cuda")}`));

  it("takes what it misses from Python's packages, and what that misses too", async () => {
    python("nvidia/cu13/lib", "nvidia/cudnn/lib");
    for (const name of ["cudart", "cublas", "cublasLt"]) write(`nvidia/cu13/lib/lib${name}.so.13`);
    write("nvidia/cudnn/lib/libcudnn.so.9");
    const loader = new FakeLoader(needs);
    expect(await openLibtorch(loader, join(directory, "torch"))).toBeUndefined();
    const packages = (name: string) => join(directory, "nvidia", name);
    expect(loader.opened).toEqual([
      library("c10"),
      packages("cu13/lib/libcudart.so.13"),
      library("torch_cpu"),
      packages("cu13/lib/libcublasLt.so.13"),
      packages("cu13/lib/libcublas.so.13"),
      packages("cudnn/lib/libcudnn.so.9"),
      library("torch_cuda"),
    ]);
  });

  it("whose CUDA half does not open still serves the CPU, and tells why", async () => {
    python("nvidia/cu13/lib");
    write("nvidia/cu13/lib/libcudart.so.13");
    const problem = await openLibtorch(new FakeLoader(needs), join(directory, "torch"));
    expect(problem).toBe("libcublas.so.13: cannot open shared object file: No such file or directory");
  });
});
