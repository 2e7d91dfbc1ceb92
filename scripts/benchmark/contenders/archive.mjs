// Contender: the archive run by this package's engine; one JSON line of figures on stdout.
//
//   node archive.mjs <archive> <rows.json> [--batch 4] [--dtype auto]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { findLibtorch } from "#lib/libtorch/find.js";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import { loadBinding } from "#lib/native/load.js";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: "string", default: "4" }, dtype: { type: "string", default: "auto" } },
});
const [path, rowsFile] = positionals;
const rows = JSON.parse(readFileSync(rowsFile, "utf8")).sort((a, b) => a.length - b.length);
const binding = await loadBinding((await findLibtorch()).root);
const model = await binding.loadArchive({
  path,
  device: "cpu",
  dtypes: computeDtypes(args.dtype, "cpu"),
  threads: 0,
  padTokenId: 0,
});
for (const length of [9, 17, 33])
  await model.forward(batchOf(rows.slice(0, 2).map((row) => row.slice(0, length))));

const scores = [];
const start = performance.now();
for (let at = 0; at < rows.length; at += Number(args.batch)) {
  scores.push(...(await model.forward(batchOf(rows.slice(at, at + Number(args.batch))))).scores);
}
const seconds = (performance.now() - start) / 1000;
const { libtorch, parallel } = binding.runtimeInfo();
console.log(
  JSON.stringify({
    seconds,
    threads: Number(/at::get_num_threads\(\) : (\d+)/.exec(parallel)?.[1]),
    peakRss: process.resourceUsage().maxRSS * 1024,
    versions: { node: process.version, libtorch },
    scores,
  }),
);

function batchOf(batch) {
  const lengths = Int32Array.from(batch, (row) => row.length);
  return {
    fields: { ids: Int32Array.from(batch.flat()) },
    lengths,
    parents: new Int32Array(batch.length).fill(-1),
    rowLengths: lengths,
    pooled: new Int32Array(),
    gates: new Int32Array(),
  };
}
