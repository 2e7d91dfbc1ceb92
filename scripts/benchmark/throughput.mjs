// One comparison of `all.mjs`, with settings of its own.
//
//   node scripts/benchmark/throughput.mjs [--shape qwen3-0.6b] [--dtype bfloat16] [--rows 32] [--min 64] [--max 512]
//     [--shared-prompt 1024 --responses 16 --response 128] [--runs 3] [--only "name;name"] [--python /path/to/python]
//     [--json file] [--work folder that keeps the models]
//
// Python with torch, transformers and safetensors makes the checkpoint (random weights, nothing is downloaded). The
// contenders of scripts/benchmark/peers have to be installed there (all.mjs does it).
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compare, CONTENDER_NAMES } from "./compare.mjs";
import { machine, table, title } from "./report.mjs";

const { values: args } = parseArgs({
  options: {
    shape: { type: "string", default: "qwen3-0.6b" },
    dtype: { type: "string", default: "bfloat16" },
    rows: { type: "string", default: "32" },
    min: { type: "string", default: "64" },
    max: { type: "string", default: "512" },
    "shared-prompt": { type: "string" },
    responses: { type: "string", default: "16" },
    response: { type: "string", default: "128" },
    runs: { type: "string", default: "3" },
    only: {
      type: "string",
      default: "reward-model-score;transformers, batch 8 as given;transformers, batch 1, sorted",
    },
    python: { type: "string", default: "python3" },
    json: { type: "string" },
    work: { type: "string" },
  },
});
const work = args.work ?? mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
mkdirSync(work, { recursive: true });
if (args.work === undefined) process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const contenders = args.only.split(";");
const unknown = contenders.find((name) => !CONTENDER_NAMES.includes(name));
if (unknown !== undefined)
  throw new Error(`There is no contender "${unknown}": ${CONTENDER_NAMES.join("; ")}`);
const result = compare({
  name: "throughput",
  shape: args.shape,
  dtype: args.dtype,
  rows: args["shared-prompt"]
    ? {
        prompt: Number(args["shared-prompt"]),
        responses: Number(args.responses),
        response: Number(args.response),
      }
    : { count: Number(args.rows), min: Number(args.min), max: Number(args.max) },
  contenders,
  runs: Number(args.runs),
  python: args.python,
  work,
});
console.log(`${machine()}\n${title(result)}\n\n${table(result)}`);
if (args.json) writeFileSync(args.json, JSON.stringify(result, null, 2));
