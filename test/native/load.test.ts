/** Everything that loading needs is taken away in turn: each time the error says what is wrong, and nothing crashes. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import { readVersion } from "#lib/libtorch/version.js";
import { renameSymbol, renameVersion } from "./elf.js";
import { temporaryFolder } from "../temporary-folder.js";

const BUILD = resolve("build/Release");
let libtorch: string;
let directory: string;
let addon: string;

beforeAll(async () => {
  libtorch = (await findLibtorch()).root;
});

beforeEach(() => {
  directory = temporaryFolder("load");
  chmodSync(directory, 0o755);
  addon = join(directory, "addon");
  mkdirSync(addon);
  for (const name of ["loader.node", "engine.node"]) copyFileSync(join(BUILD, name), join(addon, name));
});

/** Loads the addon in a process of its own; the code and message of the error, or "loaded". */
function load(
  root: string,
  { preload, uid, env }: { preload?: string; uid?: number; env?: Record<string, string> } = {},
): string {
  const script = `
    const { loadBinding } = await import(${JSON.stringify(pathToFileURL(resolve("dist/native/load.js")))});
    try {
      await loadBinding(${JSON.stringify(root)});
      console.log("loaded");
    } catch (error) {
      console.log(error.code + ": " + error.message);
    }`;
  const imports =
    preload === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(preload)}`];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...imports, "--input-type=module", "-e", script],
    {
      env: { ...process.env, REWARD_MODEL_SCORE_ADDON: addon, ...env },
      encoding: "utf8",
      ...(uid !== undefined && { uid }),
    },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trim();
}

/** libtorch's own files by links, without one of them. */
function libtorchWithout(...names: string[]): string {
  const root = join(directory, "libtorch");
  mkdirSync(join(root, "lib"), { recursive: true });
  // A Python package says elsewhere which version it is.
  writeFileSync(join(root, "build-version"), `${readVersion(libtorch)}\n`);
  for (const name of readdirSync(join(libtorch, "lib"))) {
    if (!names.includes(name)) symlinkSync(join(libtorch, "lib", name), join(root, "lib", name));
  }
  return root;
}

/** A folder that passes for libtorch until its libraries are opened. */
function fakeLibtorch(c10: (path: string) => void): string {
  const root = join(directory, "fake");
  mkdirSync(join(root, "lib"), { recursive: true });
  writeFileSync(join(root, "build-version"), "2.13.0\n");
  for (const name of ["c10", "torch_cpu"]) c10(join(root, "lib", `lib${name}.so`));
  return root;
}

function compile(source: string): (path: string) => void {
  return (path) =>
    void execFileSync("g++", ["-shared", "-fPIC", "-x", "c++", "-", "-o", path], { input: source });
}

/** A user who may not read what belongs to others. */
const nobody = process.getuid?.() === 0 ? { uid: 65534 } : {};
const nobodyReadsThis = spawnSync(process.execPath, [resolve("dist/errors.js")], nobody).status === 0;

describe.runIf(process.platform === "linux")("loading", () => {
  it("works with what is built", () => {
    expect(load(libtorch)).toBe("loaded");
    expect(load(libtorchWithout())).toBe("loaded");
  });

  it("needs no permission to execute", () => {
    for (const name of ["loader.node", "engine.node"]) chmodSync(join(addon, name), 0o644);
    expect(load(libtorch)).toBe("loaded");
  });

  it.each(["loader.node", "engine.node"])("names the folder that lacks %s", (name) => {
    rmSync(join(addon, name));
    expect(load(libtorch)).toContain(`ERR_ADDON: ${addon} lacks`);
  });

  it.each(["libc10.so", "libtorch_cpu.so"])("names %s where libtorch lacks it", (name) => {
    const message = load(libtorchWithout(name));
    expect(message).toMatch(/^ERR_RUNTIME_NOT_FOUND: libtorch's .* cannot be opened/);
    expect(message).toContain(name);
    expect(message).toContain("install it, or libtorch again");
  });

  it("names a library that libtorch needs and that is nowhere", () => {
    const needed = join(directory, "libneeded.so.1");
    compile("")(needed);
    const link = ["-Wl,--no-as-needed", needed];
    const root = fakeLibtorch(
      (path) =>
        void execFileSync("g++", ["-shared", "-x", "c++", "-", "-o", path, "-x", "none", ...link], {
          input: "",
        }),
    );
    rmSync(needed);
    const message = load(root);
    expect(message).toMatch(/^ERR_RUNTIME_NOT_FOUND: libtorch's .*libc10\.so cannot be opened/);
    expect(message).toContain("The library libneeded.so.1 is missing");
  });

  it("says that a file is damaged", () => {
    writeFileSync(join(addon, "engine.node"), "no library");
    expect(load(libtorch)).toMatch(/^ERR_ADDON: .*engine\.node.* damaged or was made for another platform/);
    const message = load(fakeLibtorch((path) => writeFileSync(path, "no library")));
    expect(message).toMatch(
      /^ERR_RUNTIME_NOT_FOUND: .*libc10\.so.* damaged or was made for another platform/,
    );
  });

  it.runIf(nobodyReadsThis)("says that a file may not be read", () => {
    const fake = fakeLibtorch((path) => {
      compile("")(path);
      chmodSync(path, 0o000);
    });
    expect(load(fake, nobody)).toMatch(
      /^ERR_RUNTIME_NOT_FOUND: .*libc10\.so.*Permission denied.* may not read/,
    );
    chmodSync(join(addon, "loader.node"), 0o000);
    expect(load(fake, nobody)).toMatch(/^ERR_ADDON: .*loader\.node.*Permission denied.* may not read/);
  });

  it.each(["loader.node", "engine.node"])("says which glibc %s needs", (name) => {
    const path = join(addon, name);
    writeFileSync(path, renameVersion(readFileSync(path), "GLIBC_2.14", "GLIBC_9.87"));
    const message = load(libtorch);
    expect(message).toMatch(new RegExp(`^ERR_ADDON: .*${name}`));
    expect(message).toContain("It needs glibc 9.87 or newer");
  });

  it("says that the C++ library is too old", () => {
    const path = join(addon, "engine.node");
    writeFileSync(path, renameVersion(readFileSync(path), "GLIBCXX_3.4.21", "GLIBCXX_3.4.99"));
    expect(load(libtorch)).toMatch(/^ERR_ADDON: .*engine\.node.* newer C\+\+ library/);
  });

  it.each([
    ["glibc 2.17", { glibcVersionRuntime: "2.17" }],
    ["musl", {}],
  ])("says that libtorch does not run with %s", (library, header) => {
    writeFileSync(join(addon, "loader.node"), "no library");
    const preload = `process.report.getReport = () => ({ header: ${JSON.stringify(header)} });`;
    const message = load(libtorch, { preload });
    expect(message).toMatch(/^ERR_NOT_SUPPORTED: linux-\w+ with .*libtorch needs glibc 2\.28 or newer/);
    expect(message).toContain(library);
  });

  it("refuses a libtorch that lacks what the addon uses", () => {
    const root = fakeLibtorch((path) => {
      const name = path.split("/").pop()!;
      execFileSync("g++", ["-shared", "-x", "c++", "-", "-o", path, `-Wl,-soname,${name}`], { input: "" });
    });
    const message = load(root);
    expect(message).toMatch(/^ERR_RUNTIME_VERSION: .* does not fit the libtorch in .*undefined symbol/);
    expect(message).toContain(root);
  });

  it("refuses one that lacks a function which is called much later", () => {
    const path = join(addon, "engine.node");
    // at::get_parallel_info()
    writeFileSync(
      path,
      renameSymbol(readFileSync(path), "_ZN2at17get_parallel_infoB5cxx11Ev", "_ZN2at17got"),
    );
    expect(load(libtorch)).toMatch(/^ERR_RUNTIME_VERSION: .* does not fit .*undefined symbol: _ZN2at17got/);
  });

  it.each(["loader.node", "engine.node"])("does not wait for a pipe in the place of %s", (name) => {
    rmSync(join(addon, name));
    execFileSync("mkfifo", [join(addon, name)]);
    expect(load(libtorch)).toContain(`ERR_ADDON: ${addon} lacks`);
  });

  it("does not wait for a pipe in the place of a library", () => {
    const message = load(fakeLibtorch((path) => void execFileSync("mkfifo", [path])));
    expect(message).toMatch(
      /^ERR_RUNTIME_NOT_FOUND: .*libc10\.so cannot be opened: it is not a regular file/,
    );
  });

  it.each([
    [
      "sse",
      /^ERR_INVALID_OPTION: REWARD_MODEL_SCORE_CPU is "sse"; it must be portable, avx2, avx512 or avx512_bf16/,
    ],
    ["portable", /^loaded$/],
    ["", /^loaded$/],
  ])("checks the instruction set that the environment names: %j", (cpu, expected) => {
    expect(load(libtorch, { env: { REWARD_MODEL_SCORE_CPU: cpu } })).toMatch(expected);
  });

  it("says what helps when thread-local storage runs out", () => {
    const source =
      '__attribute__((tls_model("initial-exec"))) __thread char room[1 << 20]; char* f() { return room; }';
    const message = load(fakeLibtorch(compile(source)));
    expect(message).toMatch(/^ERR_RUNTIME_NOT_FOUND: .*static TLS/);
    expect(message).toContain("GLIBC_TUNABLES=glibc.rtld.optional_static_tls");
  });
});
