// Contender: onnxruntime-node on an exported model and rows of token ids; one JSON line of figures on stdout.
//
//   node onnxruntime.mjs <model.onnx> <rows.json> [--batch 1]
//
// Rows sorted by length and padded on the right. All optimisations and as many threads as the others get.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import ort from "onnxruntime-node";
import { report } from "./report.mjs";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: "string", default: "1" }, threads: { type: "string", default: "0" } },
});
const rows = JSON.parse(readFileSync(positionals[1], "utf8")).sort((a, b) => a.length - b.length);
const session = await ort.InferenceSession.create(positionals[0], {
  graphOptimizationLevel: "all",
  intraOpNumThreads: Number(args.threads),
});
const loadedRss = process.memoryUsage().rss;
await run([rows[0].slice(0, 32)]);

const scores = [];
const start = performance.now();
for (let at = 0; at < rows.length; at += Number(args.batch)) {
  scores.push(...(await run(rows.slice(at, at + Number(args.batch)))));
}
const seconds = (performance.now() - start) / 1000;
report({ seconds, loadedRss, versions: { "onnxruntime-node": ort.env.versions.node }, scores });

async function run(batch) {
  const longest = Math.max(...batch.map((row) => row.length));
  const padded = (of) =>
    new ort.Tensor("int64", BigInt64Array.from(batch.flatMap(of)), [batch.length, longest]);
  const fill = (row, value) => Array(longest - row.length).fill(value);
  const feeds = {
    input_ids: padded((row) => [...row.map(BigInt), ...fill(row, 0n)]),
    attention_mask: padded((row) => [...row.map(() => 1n), ...fill(row, 0n)]),
  };
  // Where no token is padded, the export may have left the mask out.
  const names = new Set(session.inputNames);
  const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)));
  const { scores: result } = await session.run(used);
  return Array.from(result.data);
}
