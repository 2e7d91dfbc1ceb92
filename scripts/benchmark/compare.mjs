// One comparison: contenders that run the same model on the same rows, each in its own process, several times, in turn.
// Figures are medians; the machine's own rate of matrix products (the ceiling) is measured in every round too.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeRows, measure, median } from "./measure.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const contender = (name) => join(here, "contenders", name);
const peer = (name) => join(here, "peers", name);

/**
 * What can be compared, by name. `command` gets the comparison; `model` names the file that has to be made from the
 * checkpoint first.
 */
const CONTENDERS = {
  "reward-model-score": { command: ours },
  "reward-model-score, nothing shared": { command: (c) => [...ours(c), "--no-sharing"] },
  "reward-model-score, archive": {
    model: "model.pt",
    command: ({ model, rowsFile }) => [
      process.execPath,
      contender("archive.mjs"),
      model,
      rowsFile,
      "--batch",
      "1",
    ],
  },
  "transformers, batch 8 as given": { command: (c) => [...transformers(c), "--batch", "8"] },
  "transformers, batch 50 as given": { command: (c) => [...transformers(c), "--batch", "50"] },
  "transformers, batch 1, sorted": { command: (c) => [...transformers(c), "--batch", "1", "--sort"] },
  "onnxruntime-node, batch 1": { model: "model.onnx", command: (c) => onnxruntime(c, "1") },
  "onnxruntime-node, batch 8, sorted": { model: "model.onnx", command: (c) => onnxruntime(c, "8") },
  "node-llama-cpp": {
    model: "model.gguf",
    command: ({ model, rowsFile }) => [process.execPath, peer("llama.mjs"), model, rowsFile],
  },
};
export const CONTENDER_NAMES = Object.keys(CONTENDERS);
const MAKERS = { "model.pt": "make_archive.py", "model.onnx": "make_onnx.py", "model.gguf": "make_gguf.py" };

function ours({ checkpoint, rowsFile, dtype }) {
  return [process.execPath, contender("reward-model-score.mjs"), checkpoint, rowsFile, "--dtype", dtype];
}
function transformers({ python, checkpoint, rowsFile }) {
  return [python, contender("transformers_eager.py"), checkpoint, rowsFile];
}
function onnxruntime({ model, rowsFile }, batch) {
  return [process.execPath, peer("onnxruntime.mjs"), model, rowsFile, "--batch", batch];
}

/**
 * Runs one comparison.
 *
 * @param settings `name`, `shape` and `dtype` of the checkpoint, `rows` ({ count, min, max } tokens, or { prompt,
 *   responses, response } tokens), `contenders` by name, `runs`, `python`, `work` (a folder that keeps models between
 *   comparisons)
 * @returns the settings with the ceiling, the totals and the figures of each contender
 */
export function compare(settings) {
  const { shape, dtype, runs, python, work } = settings;
  const checkpoint = makeCheckpoint(settings);
  const config = JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8"));
  const rows = makeRows(settings.rows, config.vocab_size);
  const rowsFile = join(work, "rows.json");
  writeFileSync(rowsFile, JSON.stringify(rows));

  const contenders = settings.contenders.map((name) => {
    const { model, command } = CONTENDERS[name];
    return {
      name,
      runs: [],
      command: command({
        ...settings,
        checkpoint,
        rowsFile,
        model: model && make(python, checkpoint, model),
      }),
    };
  });
  const ceilings = [];
  for (let run = 0; run < runs; run++) {
    ceilings.push(measure([python, contender("ceiling.py"), dtype]).gflops);
    for (const { name, command, runs: results } of contenders) {
      console.error(`${settings.name}, run ${run + 1} of ${runs}: ${name}`);
      results.push(measure(command));
    }
  }
  const lengths = rows.map(({ length }) => length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const flops = { useful: 2 * weightsPerToken(config) * tokens, attention: attentionFlops(config, lengths) };
  const ceiling = median(ceilings);
  return {
    name: settings.name,
    shape,
    dtype,
    runs,
    rows: rows.length,
    shortest: Math.min(...lengths),
    longest: Math.max(...lengths),
    tokens,
    ceiling,
    versions: Object.assign({}, ...contenders.map((each) => each.runs[0].versions)),
    contenders: contenders.map((each) => figures(each, { ...flops, tokens, ceiling })),
  };
}

function figures({ name, runs }, { useful, attention, tokens, ceiling }) {
  const times = runs.map(({ seconds }) => seconds);
  const seconds = median(times);
  const gflops = useful / seconds / 1e9;
  return {
    name,
    seconds,
    fastest: Math.min(...times),
    slowest: Math.max(...times),
    tokensPerSecond: tokens / seconds,
    gflops,
    ofCeiling: gflops / ceiling,
    ofCeilingWithAttention: (useful + attention) / seconds / 1e9 / ceiling,
    peakBytes: Math.max(...runs.map(({ peakRss }) => peakRss)),
    peakBytesOverLoaded: runs[0].loadedRss && Math.max(...runs.map((run) => run.peakRss - run.loadedRss)),
    savedTokens: runs[0].savedTokens,
  };
}

function makeCheckpoint({ python, work, shape, dtype }) {
  const folder = join(work, `${shape}-${dtype}`);
  if (!existsSync(join(folder, "config.json"))) {
    console.error(`Making a random ${shape} checkpoint in ${dtype} …`);
    mkdirSync(folder, { recursive: true });
    execFileSync(python, [join(here, "make_checkpoint.py"), shape, folder, "--dtype", dtype]);
  }
  return folder;
}

function make(python, checkpoint, model) {
  const path = join(checkpoint, model);
  if (!existsSync(path)) {
    console.error(`Making ${model} …`);
    execFileSync(python, [join(here, MAKERS[model]), checkpoint, path], { stdio: "ignore" });
  }
  return path;
}

/** Weights that every token is multiplied with: all but the embedding, norms and head. */
function weightsPerToken(config) {
  const {
    hidden_size: h,
    intermediate_size: f,
    num_hidden_layers: layers,
    num_attention_heads: heads,
  } = config;
  const headDim = config.head_dim ?? h / heads;
  const kv = config.num_key_value_heads ?? heads;
  const gated = ["bert", "deberta-v2"].includes(config.model_type) ? 2 : 3;
  return layers * (h * headDim * (2 * heads + 2 * kv) + gated * h * f);
}

/**
 * Products of queries with keys and of weights with values that the rows need, and DeBERTa's with the distances that there
 * are in a row.
 */
function attentionFlops(config, lengths) {
  const { model_type: type, num_attention_heads: heads, hidden_size: h, num_hidden_layers: layers } = config;
  const width = heads * (config.head_dim ?? h / heads);
  const sum = (ofRow) => lengths.reduce((all, length) => all + ofRow(length), 0);
  if (!["bert", "modernbert", "deberta-v2"].includes(type))
    return 4 * width * layers * sum((length) => (length * (length + 1)) / 2);
  if (type === "modernbert") {
    const full = Math.ceil(layers / 3);
    const near = (length) => Math.min(length, config.local_attention + 1);
    return 4 * width * sum((length) => length * (full * length + (layers - full) * near(length)));
  }
  const distances = (length) =>
    type === "deberta-v2" ? Math.min(2 * length - 1, 2 * config.position_buckets) : 0;
  return 4 * width * layers * sum((length) => length * (length + distances(length)));
}
