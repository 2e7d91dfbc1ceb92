import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkBinary } from "../../scripts/package/check-binary.mjs";
import { sharedFolder } from "../temporary-folder.js";

const ENTRIES =
  'extern "C" { void napi_register_module_v1() {} void node_api_module_get_api_version_v1() {} }';
const SOUND = ["-Wl,-z,nodelete", "-fvisibility=default", "-nostdlib"];

const directory = sharedFolder("check-binary");

function compile(source: string, ...flags: string[]): string {
  const path = join(directory, "addon.node");
  execFileSync("g++", ["-shared", "-fPIC", "-x", "c++", "-", "-x", "none", "-o", path, ...flags], {
    input: source,
  });
  return path;
}

describe.runIf(process.platform === "linux")("checkBinary", () => {
  it("accepts the addons that are built, on systems like this one", () => {
    for (const name of ["loader", "engine"]) {
      expect(checkBinary(`build/Release/${name}.node`, { anySystem: true })).toEqual([]);
    }
  });

  it("accepts an addon that needs nothing", () => {
    expect(checkBinary(compile(ENTRIES, ...SOUND))).toEqual([]);
  });

  it.each([
    ["links to libgomp.so.1", ENTRIES, [...SOUND, "-Wl,--no-as-needed", "-lgomp"]],
    [
      "has the search path /home/builder/libtorch/lib",
      ENTRIES,
      [...SOUND, "-Wl,-rpath,/home/builder/libtorch/lib"],
    ],
    ["exports _Z5otherv", `${ENTRIES} void other() {}`, SOUND],
    ["does not export napi_register_module_v1", ENTRIES.replace("napi_register", "static_register"), SOUND],
    ["can be unloaded while its threads run (no -z nodelete)", ENTRIES, SOUND.slice(1)],
    [
      "is larger than 5000000 bytes",
      `${ENTRIES} extern "C" { static char room[6000000] __attribute__((used)) = {1}; }`,
      SOUND,
    ],
  ])("finds that an addon %s", (problem, source, flags) => {
    expect(checkBinary(compile(source, ...flags), { anySystem: true })).toContain(problem);
  });

  it("finds symbols that old systems lack", () => {
    // Old systems had this one too, but under another version.
    const source = `extern "C" int pthread_create(void*, const void*, void* (*)(void*), void*);
      void use() { pthread_create(nullptr, nullptr, nullptr, nullptr); } ${ENTRIES}`;
    const path = compile(source, "-Wl,-z,nodelete");
    const found = checkBinary(path).filter((problem) => problem.startsWith("needs "));
    const glibc = process.report.getReport() as unknown as { header: { glibcVersionRuntime: string } };
    const isOld = Number(glibc.header.glibcVersionRuntime.split(".")[1]) < 34;
    expect(found).toEqual(isOld ? [] : ["needs GLIBC_2.34"]);
    expect(checkBinary(path, { anySystem: true })).not.toContain("needs GLIBC_2.34");
  });
});
