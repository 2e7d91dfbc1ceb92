// Contender: this package on a checkpoint and rows of token ids; one JSON line of figures on stdout.
//   node reward-model-score.mjs <checkpoint> <rows.json> [--dtype bfloat16] [--budget 4096] [--no-sharing] [--threads N]
//     [--max-memory 500MB]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Scorer } from "../../../dist/scoring/scorer.js";
import { openBinding, openOnCpu } from "./open-program.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: "string", default: "auto" },
    budget: { type: "string", default: "4096" },
    threads: { type: "string" },
    "max-memory": { type: "string" },
    "no-sharing": { type: "boolean", default: false },
  },
});
const [checkpoint, rowsFile] = positionals;
const options = {
  model: checkpoint,
  torchDtype: values.dtype,
  maxBatchTokens: Number(values.budget),
  sharePrefixes: !values["no-sharing"],
  ...(values["max-memory"] && { maxMemory: { cpu: values["max-memory"] } }),
  ...(values.threads && { threads: Number(values.threads) }),
};

const binding = await openBinding();
const loadStart = performance.now();
const model = await openOnCpu(binding, options);
const loadSeconds = (performance.now() - loadStart) / 1000;
const loadedRss = process.memoryUsage().rss;

const given = JSON.parse(readFileSync(rowsFile, "utf8"));
const rows = given.map(model.toRow);
const scorer = new Scorer(model);
const { signal } = new AbortController();
await Promise.all(scorer.run([model.toRow(given[0].slice(0, 32))], signal, () => {}));

const done = { tokens: 0, savedTokens: 0 };
const start = performance.now();
const outcomes = await Promise.all(
  scorer.run(rows, signal, ({ tokens, savedTokens }) => {
    done.tokens += tokens;
    done.savedTokens += savedTokens;
  }),
);
const seconds = (performance.now() - start) / 1000;
console.log(
  JSON.stringify({
    seconds,
    tokens: rows.reduce((sum, { fields }) => sum + fields.ids.length, 0),
    computedTokens: done.tokens,
    savedTokens: done.savedTokens,
    loadSeconds,
    weightBytes: model.native.bytes,
    loadedRss,
    peakRss: process.resourceUsage().maxRSS * 1024,
    versions: { node: process.version, libtorch: binding.runtimeInfo().libtorch },
    scores: outcomes.map(({ score }) => score),
  }),
);
await model.native.dispose();
