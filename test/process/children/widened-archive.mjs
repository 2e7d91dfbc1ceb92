// What archives are planned with on the CPU, and what they hold there.
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkpointTree } from "#lib/device-map/checkpoint-tree.js";
import { sizeOf } from "#lib/device-map/module-tree.js";
import { placeableArchive } from "#lib/model/open-archive.js";
import { binding, load } from "./setup.mjs";

const found = {};
for (const name of ["column", "bfloat16", "float16"]) {
  const path = fileURLToPath(new URL(`../../fixtures/archives/${name}.pt`, import.meta.url));
  const { stages, tensors, typesOn } = await placeableArchive(binding, path, "auto");
  const planned = sizeOf(checkpointTree(stages, tensors, typesOn("cpu"))) / statSync(path).size;
  const model = await load(name);
  found[name] = { planned: Math.round(planned), bytes: model.bytes };
  await model.dispose();
}
console.log(JSON.stringify(found));
