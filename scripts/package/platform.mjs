/**
 * Puts the addons that are built into npm/<this platform>/, checks them, and packs that package into .packages/.
 *
 *     npm run package:platform [-- --any-system]
 *
 * What is published has to load on every system that libtorch runs on, so it is built on an old one (see
 * .github/workflows/release.yml). --any-system accepts addons that need systems as new as this one, for trying things out.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkBinary } from "./check-binary.mjs";
import { fail, pack, root, thisPlatform } from "./packages.mjs";

const folder = join(root, "npm", thisPlatform);
if (!existsSync(folder)) fail(`There is no package for ${thisPlatform} below npm/.`);
const anySystem = process.argv.includes("--any-system");

const problems = ["loader.node", "engine.node"].flatMap((name) => {
  const path = join(folder, name);
  copyFileSync(join(root, "build/Release", name), path);
  strip(path);
  return checkBinary(path, { anySystem }).map((problem) => `${name} ${problem}`);
});
if (problems.length > 0)
  fail(`Not fit for a package:\n${problems.map((problem) => `  ${problem}\n`).join("")}`);

copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
writeFileSync(join(folder, "THIRD-PARTY-LICENSES"), thirdPartyLicenses());
process.stdout.write(`${pack(folder)}\n`);

function strip(path) {
  if (process.platform === "linux") execFileSync("strip", ["--strip-unneeded", path]);
  if (process.platform === "darwin") {
    execFileSync("strip", ["-x", path]);
    // Changing the file made its signature invalid; without one, Apple silicon refuses to load it.
    execFileSync("codesign", ["--force", "--sign", "-", path]);
  }
}

/** Of the sources that are compiled in. */
function thirdPartyLicenses() {
  const compiledIn = { simdjson: "@nozbe/simdjson/LICENSE", "node-addon-api": "node-addon-api/LICENSE.md" };
  const parts = Object.entries(compiledIn).map(
    ([name, file]) => `${name}\n\n${readFileSync(join(root, "node_modules", file), "utf8").trim()}\n`,
  );
  return ["The addons contain code of these projects.\n", ...parts].join(`\n${"-".repeat(80)}\n\n`);
}
