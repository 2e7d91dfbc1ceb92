// Time and peak memory of loading a float32 checkpoint, beside transformers' from_pretrained on the same file.
//
//   node scripts/benchmark/load.mjs [--shape qwen3-0.6b] [--runs 3] [--python /path/to/python]
//
// Python with torch, transformers and safetensors makes the checkpoint (random weights, nothing is downloaded). Every
// load is a process of its own, ours and theirs in turn, with the file in the page cache.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure, median } from "./measure.mjs";

const { values: args } = parseArgs({
  options: {
    shape: { type: "string", default: "qwen3-0.6b" },
    runs: { type: "string", default: "3" },
    python: { type: "string", default: "python3" },
  },
});
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const work = mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

console.error(`Making a random ${args.shape} checkpoint in float32 …`);
execFileSync(args.python, [script("make_checkpoint.py"), args.shape, work, "--dtype", "float32"]);
const size = statSync(join(work, "model.safetensors")).size / 2 ** 20;
const contenders = {
  "reward-model-score": [process.execPath, script("contenders/load-reward-model-score.mjs"), work],
  "transformers from_pretrained": [args.python, script("contenders/load_transformers.py"), work],
};

const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
for (let run = 0; run < Number(args.runs); ++run) {
  for (const [name, command] of Object.entries(contenders)) results[name].push(measure(command));
}
console.log(`checkpoint: ${size.toFixed(0)} MiB; medians of ${args.runs} runs`);
for (const [name, runs] of Object.entries(results)) {
  const [seconds, before, peak] = ["seconds", "before", "peak"].map((field) =>
    median(runs.map((run) => run[field])),
  );
  console.log(
    `${name}: ${seconds.toFixed(2)} s; peak RSS ${peak.toFixed(0)} MiB = ${(peak / size).toFixed(2)} × the file ` +
      `(${((peak - before) / size).toFixed(2)} × without the ${before.toFixed(0)} MiB before the load)`,
  );
}
