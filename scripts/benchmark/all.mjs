// The whole set of comparisons, with one command. Writes results.json, tables.md and one plot for each comparison.
//
//   node scripts/benchmark/all.mjs [--scale 1] [--runs 3] [--only "name;name"] [--python /path/to/python]
//     [--out docs/performance] [--work folder that keeps the models]
//
// Takes hours on two cores; `--scale 0.25 --runs 2` about half an hour: the number of rows is scaled, not their length.
// Close everything else. Python needs torch, transformers, safetensors, onnx, onnxscript, gguf and matplotlib; models
// have random weights, nothing is downloaded but the runtimes in scripts/benchmark/peers, by npm.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compare } from "./compare.mjs";
import { machine, table, title } from "./report.mjs";

const { values: args } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    runs: { type: "string", default: "3" },
    only: { type: "string" },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: fileURLToPath(new URL("../../docs/performance", import.meta.url)) },
    work: { type: "string" },
    decoder: { type: "string", default: "qwen3-0.6b" },
    encoder: { type: "string", default: "bert-base" },
  },
});
const scaled = (count, least = 4) => Math.max(least, Math.round(count * Number(args.scale)));
const short = { count: scaled(32, 8), min: 64, max: 512 };
const long = { count: scaled(8, 3), min: 512, max: 4096 };
const best = { prompt: 1024, responses: 16, response: 128 };
const { decoder, encoder } = args;

const OURS = "reward-model-score";
const BATCH_8 = "transformers, batch 8 as given";
const BATCH_50 = "transformers, batch 50 as given";
const BATCH_1 = "transformers, batch 1, sorted";
const ONNX = ["onnxruntime-node, batch 1", "onnxruntime-node, batch 8, sorted"];
const given = short.count > 8 ? [BATCH_8, BATCH_50, BATCH_1] : [BATCH_8, BATCH_1];
const comparisons = [
  {
    name: "float32-short",
    shape: decoder,
    dtype: "float32",
    rows: short,
    contenders: [OURS, ...given, ...ONNX, "node-llama-cpp"],
  },
  {
    name: "bfloat16-short",
    shape: decoder,
    dtype: "bfloat16",
    rows: short,
    contenders: [OURS, ...given, "node-llama-cpp"],
  },
  { name: "float32-long", shape: decoder, dtype: "float32", rows: long, contenders: [OURS, BATCH_1] },
  { name: "bfloat16-long", shape: decoder, dtype: "bfloat16", rows: long, contenders: [OURS] },
  {
    name: "best-of-16",
    shape: decoder,
    dtype: "bfloat16",
    rows: best,
    contenders: [OURS, `${OURS}, nothing shared`],
  },
  {
    name: "encoder-float32-short",
    shape: encoder,
    dtype: "float32",
    rows: short,
    contenders: [`${OURS}, archive`, BATCH_8, BATCH_1, ...ONNX],
  },
].filter(({ name }) => !args.only || args.only.split(";").includes(name));

const peers = fileURLToPath(new URL("peers", import.meta.url));
if (!existsSync(join(peers, "node_modules"))) {
  console.error("Installing the other runtimes …");
  const npm = [
    "install",
    "--omit=optional",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
  ];
  execFileSync("npm", npm, { cwd: peers, stdio: "inherit" });
}
const work = args.work ?? mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
mkdirSync(work, { recursive: true });
mkdirSync(args.out, { recursive: true });
if (args.work === undefined) process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const results = [];
for (const comparison of comparisons) {
  const result = compare({ ...comparison, runs: Number(args.runs), python: args.python, work });
  results.push(result);
  console.log(`${title(result)}\n\n${table(result)}\n`);
  // After every one: hours of work must not be lost to the last.
  const file = join(args.out, "results.json");
  writeFileSync(file, `${JSON.stringify({ machine: machine(), comparisons: results }, null, 2)}\n`);
  const sections = results.map(
    (each) => `## ${each.name}\n\n${title(each)}\n\n${table(each)}\n\n![](${each.name}.svg)\n`,
  );
  writeFileSync(
    join(args.out, "tables.md"),
    `# One run of the benchmarks\n\n${machine()}\n\n${sections.join("\n")}`,
  );
  execFileSync(args.python, [fileURLToPath(new URL("plot.py", import.meta.url)), file, args.out], {
    stdio: "inherit",
  });
}
