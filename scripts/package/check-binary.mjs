/** What may be in an addon that is published: checked in the file itself, with the platform's own tool. */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";

/** Node's entries into an addon. */
const ENTRIES = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];
/** What the loader knows an engine by. */
const MARK = "reward_model_score_engine";

/** What every system has, and the part of libtorch that the engine is linked with. Least of all an OpenMP runtime. */
const LIBRARIES = {
  linux:
    /^(libtorch_cpu\.so|libc10\.so|libstdc\+\+\.so\.6|libm\.so\.6|libgcc_s\.so\.1|libc\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-[\w-]+\.so\.\d)$/,
  darwin:
    /^(@rpath\/libtorch_cpu\.dylib|@rpath\/libc10\.dylib|\/usr\/lib\/libc\+\+\.1\.dylib|\/usr\/lib\/libSystem\.B\.dylib)$/,
  win32: /^(torch_cpu|c10|kernel32|msvcp140(_1)?|vcruntime140(_1)?|api-ms-win-crt-[\w-]+|node)\.(dll|exe)$/i,
};

/** The oldest systems that libtorch runs on: glibc of Debian 10 and Red Hat 8, and their C++ library. */
const SYMBOL_VERSIONS = { GLIBC: "2.28", GLIBCXX: "3.4.25", CXXABI: "1.3.11" };

/** 5 MB for a package of two addons. */
const MAX_SIZE = 5_000_000;

/**
 * Complaints about one file; `anySystem` accepts what only systems as new as this one can load.
 *
 * @returns {string[]}
 */
export function checkBinary(path, { anySystem = false } = {}) {
  const { libraries, searchPaths, exports, versions, isPinned } = inspect(path);
  const allowed = LIBRARIES[process.platform];
  return [
    ...libraries.filter((name) => !allowed.test(name)).map((name) => `links to ${name}`),
    ...searchPaths.map((path) => `has the search path ${path}`),
    ...exports.filter((name) => ![...ENTRIES, MARK].includes(name)).map((name) => `exports ${name}`),
    ...ENTRIES.filter((name) => !exports.includes(name)).map((name) => `does not export ${name}`),
    ...(anySystem ? [] : versions.filter(isTooNew).map((version) => `needs ${version}`)),
    ...(isPinned ? [] : ["can be unloaded while its threads run (no -z nodelete)"]),
    ...(statSync(path).size > MAX_SIZE ? [`is larger than ${MAX_SIZE} bytes`] : []),
  ];
}

function isTooNew(symbolVersion) {
  const [family, version] = symbolVersion.split("_");
  const limit = SYMBOL_VERSIONS[family];
  return limit === undefined || version.localeCompare(limit, "en", { numeric: true }) > 0;
}

function inspect(path) {
  if (process.platform === "linux") return inspectElf(path);
  return process.platform === "darwin" ? inspectMachO(path) : inspectPe(path);
}

function inspectElf(path) {
  const dynamic = run("readelf", ["-dW", path]);
  const symbols = lines(run("readelf", ["--dyn-syms", "-W", path])).map((line) => line.trim().split(/\s+/));
  // Num Value Size Type Bind Vis Ndx Name@version
  const defined = symbols.filter(([, , , , bind, , section]) => bind !== "LOCAL" && /^\d+$/.test(section));
  return {
    libraries: matches(dynamic, /\(NEEDED\).*\[(.+)\]/g),
    // $ORIGIN alone would be harmless, but nothing lies beside an addon that it could need.
    searchPaths: matches(dynamic, /\((?:RPATH|RUNPATH)\).*\[(.+)\]/g),
    exports: defined.map(([, , , , , , , name]) => name.replace(/@.*/, "")),
    versions: [
      ...new Set(
        matches(run("readelf", ["-VW", path]), /Name: ((?:GLIBC|GLIBCXX|CXXABI|GCC|GOMP|OMP)_[\w.]+)/g),
      ),
    ].filter((version) => !version.startsWith("GCC_")),
    isPinned: /\(FLAGS_1\).*NODELETE/.test(dynamic),
  };
}

function inspectMachO(path) {
  const commands = run("otool", ["-l", path]);
  return {
    libraries: lines(run("otool", ["-L", path]))
      .slice(1)
      .map((line) => line.trim().replace(/ \(compatibility.*/, ""))
      .filter((name) => name !== "" && !name.endsWith(".node")),
    searchPaths: matches(commands, /cmd LC_RPATH\s+cmdsize \d+\s+path (.+?) \(offset/g),
    exports: lines(run("nm", ["-gUj", path]))
      .map((name) => name.trim().replace(/^_/, ""))
      .filter(Boolean),
    versions: [],
    // The addon pins itself on this system, when it is loaded.
    isPinned: true,
  };
}

function inspectPe(path) {
  return {
    libraries: matches(run("dumpbin", ["/nologo", "/dependents", path]), /^ {4}(\S+\.(?:dll|exe))\s*$/gim),
    searchPaths: [],
    exports: matches(
      run("dumpbin", ["/nologo", "/exports", path]),
      /^\s+\d+\s+[\dA-F]+\s+[\dA-F]{8}\s+(\S+)/gim,
    ),
    versions: [],
    isPinned: true,
  };
}

function run(command, args) {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
}

function lines(text) {
  return text.split("\n");
}

function matches(text, pattern) {
  return [...text.matchAll(pattern)].map(([, match]) => match);
}
