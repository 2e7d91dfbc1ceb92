// Useful tokens/s of built-in programs against other ways to run the same model on the same rows. Each contender runs
// in its own process, several times, in turn; the table shows medians and the share of the machine's own rate of
// matrix products, measured in the same run.
//
//   node scripts/benchmark/throughput.mjs [--dtype bfloat16] [--rows 32] [--min 64] [--max 512] [--runs 3]
//     [--shared-prompt 1024 --responses 16 --response 128] [--only name,name] [--python /path/to/python] [--json file]
//
// Python with torch, transformers and safetensors makes the checkpoint (random weights, nothing is downloaded).
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

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
    only: { type: "string" },
    python: { type: "string", default: "python3" },
    json: { type: "string" },
  },
});
const here = fileURLToPath(new URL(".", import.meta.url));
const script = (name) => join(here, name);
const work = mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const checkpoint = join(work, "checkpoint");
console.error(`Making a random ${args.shape} checkpoint in ${args.dtype} …`);
execFileSync(args.python, [script("make_checkpoint.py"), args.shape, checkpoint, "--dtype", args.dtype]);
const config = JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8"));
const rows = makeRows(config.vocab_size);
const rowsFile = join(work, "rows.json");
writeFileSync(rowsFile, JSON.stringify(rows));

const contender = (name) => script(`contenders/${name}`);
const ours = [
  process.execPath,
  contender("reward-model-score.mjs"),
  checkpoint,
  rowsFile,
  "--dtype",
  args.dtype,
];
const transformers = [args.python, contender("transformers_eager.py"), checkpoint, rowsFile];
const contenders = {
  "reward-model-score": ours,
  ...(args["shared-prompt"] && { "reward-model-score, nothing shared": [...ours, "--no-sharing"] }),
  "transformers, batch 8 as given": [...transformers, "--batch", "8"],
  "transformers, batch 50 as given": [...transformers, "--batch", "50"],
  "transformers, batch 1, sorted": [...transformers, "--batch", "1", "--sort"],
};
const chosen = Object.entries(contenders).filter(
  ([name]) => !args.only || args.only.split(";").some((part) => name.startsWith(part)),
);

const results = new Map(chosen.map(([name]) => [name, []]));
const ceilings = [];
for (let run = 0; run < Number(args.runs); run++) {
  ceilings.push(measure([args.python, contender("ceiling.py"), args.dtype]).gflops);
  for (const [name, command] of chosen) {
    console.error(`run ${run + 1} of ${args.runs}: ${name}`);
    results.get(name).push(measure(command));
  }
}
report();

/** Token ids from a fixed seed: lengths spread evenly, or responses to one prompt. */
function makeRows(vocabulary) {
  let state = 12345;
  const next = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const text = (length) => Array.from({ length }, () => 1 + next(vocabulary - 1));
  if (args["shared-prompt"]) {
    const prompt = text(Number(args["shared-prompt"]));
    return Array.from({ length: Number(args.responses) }, () => [...prompt, ...text(Number(args.response))]);
  }
  const [count, min, max] = [Number(args.rows), Number(args.min), Number(args.max)];
  const lengths = Array.from({ length: count }, (_, i) =>
    Math.round(min + ((max - min) * i) / Math.max(1, count - 1)),
  );
  for (let i = count - 1; i > 0; i--) {
    const j = next(i + 1);
    [lengths[i], lengths[j]] = [lengths[j], lengths[i]];
  }
  return lengths.map(text);
}

function measure([command, ...rest]) {
  const output = execFileSync(command, rest, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(output.trim().split("\n").at(-1));
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Weights that every token is multiplied with: all but the embedding, norms and head. */
function weightsPerToken() {
  const {
    hidden_size: h,
    intermediate_size: f,
    num_hidden_layers: layers,
    num_attention_heads: heads,
  } = config;
  const headDim = config.head_dim ?? h / heads;
  const kv = config.num_key_value_heads ?? heads;
  const gated = config.model_type === "bert" ? 2 : 3;
  return layers * (h * headDim * (2 * heads + 2 * kv) + gated * h * f);
}

/** Products of queries with keys and of weights with values that a causal row needs. */
function attentionFlops() {
  const width =
    config.num_attention_heads * (config.head_dim ?? config.hidden_size / config.num_attention_heads);
  return (
    rows.reduce((sum, { length }) => sum + 4 * width * ((length * (length + 1)) / 2), 0) *
    config.num_hidden_layers
  );
}

function report() {
  const ceiling = median(ceilings);
  const tokens = rows.reduce((sum, row) => sum + row.length, 0);
  const useful = 2 * weightsPerToken() * tokens;
  const table = chosen.map(([name]) => {
    const runs = results.get(name);
    const seconds = median(runs.map((run) => run.seconds));
    return {
      contender: name,
      "tokens/s": Math.round(tokens / seconds),
      "GFLOP/s": Math.round(useful / seconds / 1e9),
      "of ceiling": `${Math.round((100 * useful) / seconds / 1e9 / ceiling)} %`,
      "with attention": `${Math.round((100 * (useful + attentionFlops())) / seconds / 1e9 / ceiling)} %`,
      "seconds (min–max)": `${seconds.toFixed(2)} (${Math.min(...runs.map((r) => r.seconds)).toFixed(2)}–${Math.max(...runs.map((r) => r.seconds)).toFixed(2)})`,
      "peak MB": Math.round(Math.max(...runs.map((run) => run.peakRss)) / 1e6),
      "over loaded MB": runs[0].loadedRss
        ? Math.round(Math.max(...runs.map((r) => r.peakRss - r.loadedRss)) / 1e6)
        : "",
      "tokens saved": runs[0].savedTokens ?? "",
    };
  });
  const lengths = rows.map((row) => row.length);
  console.log(
    `${args.shape}, ${args.dtype}, ${rows.length} rows of ${Math.min(...lengths)}–${Math.max(...lengths)} tokens (${tokens} in all), ` +
      `${args.runs} runs, medians\n` +
      `${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; ` +
      `${JSON.stringify(Object.assign({}, ...chosen.map(([name]) => results.get(name)[0].versions)))}\n` +
      `ceiling: ${Math.round(ceiling)} GFLOP/s of matrix products`,
  );
  console.table(table);
  if (args.json)
    writeFileSync(args.json, JSON.stringify({ args, ceilings, results: Object.fromEntries(results) }));
  if (existsSync(work)) rmSync(work, { recursive: true, force: true });
}
