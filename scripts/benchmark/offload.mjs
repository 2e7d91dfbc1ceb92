// What it costs to score with a model that is larger than the memory it may take: the stages beyond the limit are read
// from the checkpoint in every forward.
//
//   node scripts/benchmark/offload.mjs [--shape qwen3-0.6b-32k] [--dtype float32] [--limit 500MB] [--rows 8]
//     [--budget 4096] [--runs 3] [--python /path/to/python]
//
// Python with torch, transformers and safetensors makes the checkpoint (random weights, nothing is downloaded). Every
// run is a process of its own, with the limit and without in turn, with the file in the page cache.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeRows, measure, median } from "./measure.mjs";
import { machine } from "./report.mjs";

const { values: args } = parseArgs({
  options: {
    shape: { type: "string", default: "qwen3-0.6b-32k" },
    dtype: { type: "string", default: "float32" },
    limit: { type: "string", default: "500MB" },
    rows: { type: "string", default: "8" },
    budget: { type: "string", default: "4096" },
    runs: { type: "string", default: "3" },
    python: { type: "string", default: "python3" },
  },
});
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const work = mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

console.error(`Making a random ${args.shape} checkpoint in ${args.dtype} …`);
execFileSync(args.python, [script("make_checkpoint.py"), args.shape, work, "--dtype", args.dtype]);
const rowsFile = join(work, "rows.json");
writeFileSync(rowsFile, JSON.stringify(makeRows({ count: Number(args.rows), min: 64, max: 512 }, 1024)));

const ours = [script("contenders/reward-model-score.mjs"), work, rowsFile, "--budget", args.budget];
const contenders = {
  "all in memory": ours,
  [`at most ${args.limit}`]: [...ours, "--max-memory", args.limit],
};
const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
for (let run = 0; run < Number(args.runs); ++run) {
  for (const [name, command] of Object.entries(contenders)) {
    console.error(`run ${run + 1} of ${args.runs}: ${name}`);
    results[name].push(measure([process.execPath, ...command]));
  }
}

const mb = (bytes) => `${Math.round(bytes / 1e6)} MB`;
const all = Object.values(results).flat();
console.log(`${machine()}, libtorch ${all[0].versions.libtorch}`);
console.log(
  `checkpoint of ${mb(statSync(join(work, "model.safetensors")).size)}, ${args.rows} rows of ${all[0].tokens} tokens; ` +
    `medians of ${args.runs} runs`,
);
for (const [name, runs] of Object.entries(results)) {
  const of = (figure) => median(runs.map(figure));
  console.log(
    `${name}: loaded in ${of((run) => run.loadSeconds).toFixed(2)} s, weights in memory ` +
      `${mb(runs[0].weightBytes)}, peak RSS ${mb(of((run) => run.peakRss))}, ` +
      `${Math.round(of((run) => run.tokens / run.seconds))} tokens/s`,
  );
}
const same = all.every(({ scores }) => scores.every((score, row) => score === all[0].scores[row]));
console.log(`scores: ${same ? "the same bits in all runs" : "NOT the same bits in all runs"}`);
process.exitCode = same ? 0 : 1;
