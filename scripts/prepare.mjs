/**
 * Makes a fresh clone ready to run: packages, TypeScript, libtorch, native addons. Does only what is stale and says
 * what it does; needs nothing but Node, Python with pip (where PyTorch's download site cannot be reached), CMake and a
 * C++ compiler.
 *
 *     node scripts/prepare.mjs [--without-tests]
 *
 * --without-tests leaves out what only tests need.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

if (!packagesAreInstalled()) {
  step("Installing packages", npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}
const jinja = ["lib", "package.json", "tsconfig.json"].map((path) => `packages/jinja/${path}`);
const typescript = hash(["lib", ...jinja, "tsconfig.json", "node_modules/typescript/package.json"]);
if (
  readStamp("typescript") !== typescript ||
  !["dist", "packages/jinja/dist"].every((path) => existsSync(join(root, path)))
) {
  step("Compiling TypeScript", npm, ["run", "--silent", "build"]);
  writeStamp("typescript", typescript);
}
const libtorch = await findOrFetchLibtorch();
const build = [join(root, "scripts/build-native.mjs"), ...process.argv.slice(2)];
step(undefined, process.execPath, build, { LIBTORCH: libtorch });

/** What npm installed is what the lock file asks for; packages for other platforms may be missing. */
function packagesAreInstalled() {
  const installed = readJson("node_modules/.package-lock.json")?.packages;
  if (installed === undefined) return false;
  return Object.entries(readJson("package-lock.json").packages).every(([path, wanted]) => {
    if (path === "") return true;
    const found = installed[path];
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

/** A libtorch of the cache has the headers only where somebody wanted them; any other is what the user named. */
async function findOrFetchLibtorch() {
  const { findLibtorch, hasHeaders } = await import(pathToFileURL(join(root, "dist/libtorch/find.js")));
  try {
    const libtorch = await findLibtorch();
    if (libtorch.source !== "cache" || (await hasHeaders(libtorch.root))) return libtorch.root;
  } catch (error) {
    if (error.code !== "ERR_RUNTIME_NOT_FOUND") fail(`${error.code}: ${error.message}`);
  }
  step("Setting libtorch up", process.execPath, [join(root, "dist/cli/main.js"), "setup", "--headers"]);
  return (await findLibtorch()).root;
}

function step(title, command, args, env = {}) {
  if (title) process.stderr.write(`${title} …\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    // Standard output belongs to the command that asked for the set-up.
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32" && command === npm,
  });
  if (result.status !== 0)
    fail(`${title ?? "The native build"} failed${result.error ? `: ${result.error.message}` : "."}`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Of names and contents of files and folders, in a fixed order: times of change say nothing after a checkout. */
function hash(paths) {
  const digest = createHash("sha256");
  for (const path of paths.flatMap((path) => filesBelow(path))) {
    digest.update(`${path}\0`).update(readFileSync(join(root, path)));
  }
  return digest.digest("hex");
}

function filesBelow(path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  const names = readdirSync(join(root, path)).sort();
  return names.flatMap((name) => filesBelow(`${path}/${name}`));
}

function readJson(path) {
  const file = join(root, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function readStamp(name) {
  const file = join(root, ".prepare", name);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function writeStamp(name, value) {
  mkdirSync(join(root, ".prepare"), { recursive: true });
  writeFileSync(join(root, ".prepare", name), value);
}
