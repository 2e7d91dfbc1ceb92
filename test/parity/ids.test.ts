import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { RowEncoder } from "#lib/tokenizer/row-encoder.js";

interface Row {
  instruction: string;
  response: string;
  conversation?: { role: string; content: string }[];
}

// Made by scripts/fixtures/classifiers.py with transformers' apply_chat_template and pair encoding.
it.each([
  ["llama", "chat"],
  ["qwen3", "chat"],
  ["bert", "pair"],
] as const)("rows of the %s classifier become the ids of transformers", async (name, inputFormat) => {
  const directory = fileURLToPath(new URL(`../fixtures/classifiers/${name}`, import.meta.url));
  const encoder = await RowEncoder.open({ directory, inputFormat });
  const rows = JSON.parse(readFileSync(`${directory}/expected.json`, "utf8")) as {
    row: Row;
    ids: number[];
  }[];
  expect(rows.length).toBeGreaterThan(10);
  for (const { row, ids } of rows) {
    const { instruction: question, response: answer, conversation } = row;
    const messages = conversation ?? [
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ];
    const encoded = encoder.encode(inputFormat === "pair" ? { question, answer } : messages);
    expect([...encoded.fields.ids], JSON.stringify(row)).toEqual(ids);
  }
});
