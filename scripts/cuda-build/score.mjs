// node score.mjs MODEL DEVICE_MAP: scores the demo model's examples with the libtorch and the addon that the environment
// names, and prints {libtorch, cuda, scores}, or {libtorch, cuda, code, message} when the model cannot be loaded.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { RewardModelScore } from "../../dist/index.js";
import { loadBinding } from "../../dist/native/load.js";

const [model, deviceMap] = process.argv.slice(2);
const demo = fileURLToPath(new URL("../../models/demo", import.meta.url));
const rows = readFileSync(`${demo}/examples.jsonl`, "utf8").trimEnd().split("\n").map(JSON.parse);

const { libtorch, cuda } = (await loadBinding(process.env.LIBTORCH)).runtimeInfo();
const step = new RewardModelScore({ model, tokenizer: demo, deviceMap: JSON.parse(deviceMap) });
try {
  await step.load();
  console.log(JSON.stringify({ libtorch, cuda, scores: await step.score(rows) }));
} catch ({ code, message }) {
  console.log(JSON.stringify({ libtorch, cuda, code, message }));
} finally {
  await step.unload();
}
