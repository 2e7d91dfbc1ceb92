/**
 * What binding.gyp compiles of a target: for every folder of native/sources.json a file that includes those of the folder,
 * written into build/units, as CMakeLists.txt has CMake do it and for the reasons given there. Prints the paths.
 *
 *     node scripts/gyp-units.mjs engine
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const OUTPUT = "build/units";

const [target] = process.argv.slice(2);
const units = new Map();
for (const source of JSON.parse(readFileSync("native/sources.json", "utf8"))[target]) {
  const folder = dirname(source);
  const isApart = !folder.startsWith("native/") || folder === "native/ops/cpu";
  const unit = isApart ? source : `${OUTPUT}/${folder.replaceAll("/", "-")}.cc`;
  units.set(unit, [...(units.get(unit) ?? []), source]);
}

mkdirSync(OUTPUT, { recursive: true });
for (const [unit, sources] of units) {
  if (!unit.startsWith(OUTPUT)) continue;
  const text = sources.map((source) => `#include "${source.replace("native/", "")}"\n`).join("");
  // An unchanged one is not compiled again.
  if (!existsSync(unit) || readFileSync(unit, "utf8") !== text) writeFileSync(unit, text);
}
process.stdout.write([...units.keys()].join(" "));
