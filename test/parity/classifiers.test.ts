import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RewardModelScore, type Row } from "#lib/index.js";

// Made by scripts/fixtures/classifiers.py: archives of transformers' classifiers, and the scores of transformers in
// float32 with eager attention and the attention mask, each row alone.
const folder = (name: string) => fileURLToPath(new URL(`../fixtures/classifiers/${name}`, import.meta.url));

interface Expected {
  row: Row;
  ids: number[];
  scores: number[];
}

function expected(name: string): Expected[] {
  return JSON.parse(readFileSync(`${folder(name)}/expected.json`, "utf8")) as Expected[];
}

async function scores(name: string, rows: Row[], options: object): Promise<number[][]> {
  await using step = new RewardModelScore({
    model: folder(name),
    threads: 1,
    inputFormat: name === "bert" ? "pair" : "chat",
    ...options,
  });
  await step.load();
  return (await step.score(rows)).map((score) => [score].flat());
}

/** Within 1e-5 of the score. Scores nearer to 0 than 1 are sums of numbers that are not, and are held to 1e-5 of 1. */
function expectClose(found: number[][], rows: Expected[]) {
  expect(found).toHaveLength(rows.length);
  rows.forEach((row, index) => {
    expect(found[index]).toHaveLength(row.scores.length);
    row.scores.forEach((score, label) => {
      const difference = Math.abs(found[index]![label]! - score);
      expect(difference, `row ${index}, label ${label}`).toBeLessThanOrEqual(
        1e-5 * Math.max(1, Math.abs(score)),
      );
    });
  });
}

describe.each(["llama", "qwen3", "bert"])("%s archive against transformers", (name) => {
  const rows = expected(name);

  it.each([16, 300, 4096])("equals its scores with batches of %i tokens", async (maxBatchTokens) => {
    const found = await scores(
      name,
      rows.map(({ row }) => row),
      { maxBatchTokens },
    );
    expectClose(found, rows);
  });

  it("equals its scores in any order", async () => {
    const turned = [...rows.slice(5), ...rows.slice(0, 5)].reverse();
    const found = await scores(
      name,
      turned.map(({ row }) => row),
      {},
    );
    expectClose(found, turned);
  });

  it("equals its scores whatever the size of the arrays that process() yields", async () => {
    await using step = new RewardModelScore({
      model: folder(name),
      threads: 1,
      inputFormat: name === "bert" ? "pair" : "chat",
      inputBatchSize: 2,
    });
    await step.load();
    const found: number[][] = [];
    for await (const scored of step.process(rows.map(({ row }) => row))) {
      expect(scored.length).toBeLessThanOrEqual(2);
      for (const row of scored) found.push([row.score as number | number[]].flat());
    }
    expectClose(found, rows);
  });
});
