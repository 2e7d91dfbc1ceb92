/** What the scripts of this folder share: the packages' folders and manifests, compiling, and packing one. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const jinja = join(root, "packages/jinja");
export const platforms = readdirSync(join(root, "npm"));
const [npm, shell] = process.platform === "win32" ? ["npm.cmd", true] : ["npm", false];
export const thisPlatform = `${process.platform}-${process.arch}`;

export function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** Compiles everything anew: `dist` may hold files whose source is gone. */
export function compile() {
  for (const folder of [root, jinja]) rmSync(join(folder, "dist"), { recursive: true, force: true });
  execFileSync(npm, ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", 2, 2], shell });
}

/** Packs a folder and returns the path of the tarball. */
export function pack(folder) {
  const output = join(root, ".packages");
  mkdirSync(output, { recursive: true });
  const [{ filename }] = npmPack(folder, ["--pack-destination", output]);
  return join(output, filename);
}

/** What `npm pack --json` says of a folder. */
export function npmPack(folder, options) {
  const args = ["pack", "--json", "--ignore-scripts", "--loglevel=error", ...options];
  return Object.values(
    JSON.parse(execFileSync(npm, args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26, shell })),
  );
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
