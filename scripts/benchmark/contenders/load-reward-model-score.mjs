// node load-reward-model-score.mjs CHECKPOINT: prints seconds, and MiB of resident memory before the load and at its peak.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeArchitecture } from "../../../dist/architectures/describe.js";
import { findLibtorch } from "../../../dist/libtorch/find.js";
import { loadBinding } from "../../../dist/native/load.js";

const [folder] = process.argv.slice(2);
const files = [join(folder, "model.safetensors")];
const binding = await loadBinding((await findLibtorch()).root);
const before = process.memoryUsage.rss() / 2 ** 20;
const start = process.hrtime.bigint();
const checkpoint = await binding.openCheckpoint(files);
const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
const { spec } = describeArchitecture({ config, tensors: checkpoint.tensors, files });
const model = await binding.loadProgram(spec, {
  checkpoint,
  dtype: "float32",
  threads: 0,
  deviceMap: { "": "cpu" },
});
checkpoint.close();
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ seconds, before, peak: process.resourceUsage().maxRSS / 1024 }));
await model.dispose();
