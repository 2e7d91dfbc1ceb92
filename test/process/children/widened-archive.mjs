// What archives are planned with on the CPU, and what they hold there.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { sizeOf } from "#lib/device-map/module-tree.js";
import { openArchive } from "#lib/model/sources/archive.js";
import { binding, load } from "./setup.mjs";

const found = {};
for (const name of ["column", "bfloat16", "float16"]) {
  const path = fileURLToPath(new URL(`../../fixtures/archives/${name}.pt`, import.meta.url));
  const source = await openArchive(binding, { directory: dirname(path), weights: [], archive: path });
  const planned = sizeOf(source.placeable("auto").modulesOn("cpu")) / source.bytes;
  const model = await load(name);
  found[name] = { planned: Math.round(planned), bytes: model.bytes };
  await model.dispose();
}
console.log(JSON.stringify(found));
