// Contender: node-llama-cpp on a GGUF file and rows of token ids; one JSON line of figures on stdout. What is timed is
// the embedding of the last token, which is the same work as a score but for one row of the head.
//
//   node llama.mjs <model.gguf> <rows.json> [--threads 2]
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { report } from "./report.mjs";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: String(availableParallelism()) } },
});
const rows = JSON.parse(readFileSync(positionals[1], "utf8"));
const longest = Math.max(...rows.map((row) => row.length)) + 2;
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: Number(args.threads),
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: positionals[0], gpuLayers: 0 });
const context = await model.createEmbeddingContext({
  contextSize: longest,
  batchSize: longest,
  threads: Number(args.threads),
});
const loadedRss = process.memoryUsage().rss;
await context.getEmbeddingFor(rows[0].slice(0, 32));

const start = performance.now();
for (const row of rows) await context.getEmbeddingFor(row);
const seconds = (performance.now() - start) / 1000;
report({ seconds, loadedRss, versions: { "llama.cpp": llama.llamaCppRelease.release } });
await llama.dispose();
