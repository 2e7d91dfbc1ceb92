// node load-reward-model-score.mjs CHECKPOINT: prints seconds, and MiB of resident memory before the load and at its peak.
import { openBinding, openOnCpu } from "./open-program.mjs";

const [folder] = process.argv.slice(2);
const binding = await openBinding();
const before = process.memoryUsage.rss() / 2 ** 20;
const start = performance.now();
const model = await openOnCpu(binding, { model: folder, torchDtype: "float32" });
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ seconds, before, peak: process.resourceUsage().maxRSS / 1024 }));
await model.native.dispose();
