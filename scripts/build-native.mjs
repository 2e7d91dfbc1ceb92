/**
 * Builds the addons into build/Release, only when a source is newer than they are.
 *
 *     node scripts/build-native.mjs [--force] [--without-tests] [--folder <folder>] [--sanitize [--target <target>]]
 *
 * --without-tests leaves the addon out that only tests need. --folder builds into another folder than build, --sanitize
 * with sanitizers into build-asan, or only one target of CMake.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = JSON.parse(readFileSync(join(root, "native/sources.json"), "utf8"));
const { values: options } = parseArgs({
  options: {
    force: { type: "boolean" },
    "without-tests": { type: "boolean" },
    folder: { type: "string" },
    sanitize: { type: "boolean" },
    target: { type: "string" },
  },
});
const folder = join(root, options.folder ?? (options.sanitize ? "build-asan" : "build"));
const addons = Object.keys(sources)
  .filter((name) => !(options["without-tests"] && name === "engine-test"))
  .map((name) => join(folder, "Release", `${name}.node`));
const target = options.target ?? (options["without-tests"] && "without-tests");
// The folder of libtorch is compiled in nowhere, but its headers are: another libtorch means another build.
const stamp = join(folder, "libtorch.txt");

const libtorch = process.env.LIBTORCH;
if (!libtorch) {
  process.stderr.write("Set LIBTORCH to a folder with libtorch's lib/ and include/.\n");
  process.exit(1);
}
if (!options.force && options.target === undefined && isFresh()) process.exit(0);
build();

function isFresh() {
  if (configuredWith() !== libtorch || !addons.every(existsSync)) return false;
  const built = Math.min(...addons.map(modified));
  const inputs = readdirSync(join(root, "native"), { recursive: true }).map((file) => join(root, "native", file));
  return [...inputs, join(root, "CMakeLists.txt")].every((file) => modified(file) <= built);
}

function modified(file) {
  return statSync(file).mtimeMs;
}

function build() {
  process.stderr.write(`Building ${options.target ?? "the native addons"} with libtorch from ${libtorch} (the first time takes minutes) …\n`);
  // Not "compile": when a file does not compile, that command throws the whole build away and starts again.
  if (configuredWith() !== libtorch) {
    cmake("reconfigure");
    writeFileSync(stamp, libtorch);
  }
  cmake("build");
}

function configuredWith() {
  return existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
}

function cmake(command) {
  const script = join(root, "node_modules/cmake-js/bin/cmake-js");
  // make builds one file after the other unless it is told otherwise; Ninja would not need to be told.
  const jobs = String(availableParallelism());
  const args = [command, "--log-level", "warn", "--parallel", jobs, "--out", folder, `--CDLIBTORCH=${libtorch}`];
  if (options.sanitize) args.push("--CDSANITIZE=ON");
  if (target !== undefined) args.push("--target", target);
  const result = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (result.status === 0) return;
  const output = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`;
  // A compiler's first error explains; what follows it are consequences.
  const lines = output.split("\n");
  const first = Math.max(0, lines.findIndex((line) => /error|FAILED/i.test(line)));
  process.stderr.write(lines.slice(first, first + 60).join("\n") + "\n");
  process.stderr.write("The native addons could not be built: CMake ≥ 3.22 and a C++20 compiler are needed.\n");
  process.exit(1);
}
