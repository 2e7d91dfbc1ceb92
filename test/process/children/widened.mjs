// Loads a model in bfloat16 with so much memory: where it is put, and the bytes of it that are in memory.
import { openModel } from "#lib/model/open-model.js";
import { resolveOptions } from "#lib/options.js";

const [model, limit] = process.argv.slice(2);
const maxMemory = { cpu: Number(limit) };
const { deviceMap, native, close } = await openModel(
  resolveOptions({ model, torchDtype: "bfloat16", maxMemory }),
  {},
);
console.log(JSON.stringify({ places: [...new Set(Object.values(deviceMap))], bytes: native.bytes }));
await close();
