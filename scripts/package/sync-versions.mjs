/**
 * Gives the packages of the platforms, and packages/jinja with what depends on it, the version of package.json.
 * `npm version` runs it.
 *
 *     node scripts/package/sync-versions.mjs [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platforms, readManifest, root } from "./packages.mjs";

const { version } = readManifest(root);
const { name: jinja } = readManifest(join(root, "packages/jinja"));
const check = process.argv.includes("--check");

for (const platform of platforms) sync(`npm/${platform}/package.json`, ["version"]);
sync("packages/jinja/package.json", ["version"]);
sync("package.json", ["dependencies", jinja]);
sync("package-lock.json", ["packages", "", "dependencies", jinja]);
sync("package-lock.json", ["packages", "packages/jinja", "version"]);

/** Sets a member of a JSON file to the version, or complains that it is another. */
function sync(file, keys) {
  const json = JSON.parse(readFileSync(join(root, file), "utf8"));
  const owner = keys.slice(0, -1).reduce((object, key) => object[key], json);
  const key = keys.at(-1);
  if (owner[key] === version) return;
  if (check) {
    process.stderr.write(`${file} has ${keys.join(" ")} ${owner[key]} instead of ${version}.\n`);
    process.exitCode = 1;
    return;
  }
  owner[key] = version;
  writeFileSync(join(root, file), `${JSON.stringify(json, undefined, 2)}\n`);
}
