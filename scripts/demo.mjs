// Scores models/demo/examples.jsonl with the demo model and prints the rows, best first.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { RewardModelScore } from "../dist/index.js";

const folder = fileURLToPath(new URL("../models/demo/", import.meta.url));
const rows = readFileSync(`${folder}examples.jsonl`, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

const step = new RewardModelScore({ model: folder });
const started = performance.now();
await step.load();
const loaded = performance.now();
const scores = await step.score(rows);
const scored = performance.now();
await step.unload();

const table = new Table({
  head: ["score", "prompt", "answer"],
  colAligns: ["right", "left", "left"],
  colWidths: [9, 58, 40],
  wordWrap: true,
  style: { head: [], border: [] },
});
const ranked = rows.map((row, index) => ({ row, score: scores[index] })).sort((a, b) => b.score - a.score);
for (const { row, score } of ranked) {
  const turns = row.conversation ?? [
    { role: "user", content: row.instruction },
    { role: "assistant", content: row.response },
  ];
  const prompt = turns
    .slice(0, -1)
    .map((turn) => (turns.length > 2 ? `${turn.role}: ${turn.content}` : turn.content));
  table.push([score.toFixed(3), prompt.join("\n"), turns.at(-1).content]);
}
console.log(table.toString());
console.log(
  `${rows.length} rows scored in ${(scored - loaded).toFixed(0)} ms, after ${(loaded - started).toFixed(0)} ms of loading, ` +
    "by the model in models/demo (see its README for what it can and cannot do).",
);
