import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createPooling } from "#lib/architectures/pooling.js";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { openBinding } from "../native/archives.js";
import { stagesOn } from "../native/stages-on.js";
import { readFixture, type ArchitectureFixture } from "./fixtures.js";
import { packRows } from "./program.js";
import { writeCheckpoint } from "./tiny-checkpoint.js";

const BROKEN = 7;

/** Makes NaN of every number of one row of a float32 table. */
function breakRow(file: string, table: string, row: number): void {
  const bytes = readFileSync(file);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerSize)) as Record<
    string,
    { shape: number[]; data_offsets: number[] }
  >;
  const { shape, data_offsets } = header[table]!;
  const columns = shape[1]!;
  const start = 8 + headerSize + data_offsets[0]! + 4 * row * columns;
  for (let i = 0; i < columns; i++) bytes.writeFloatLE(NaN, start + 4 * i);
  writeFileSync(file, bytes);
}

it.each([
  ["deberta-v2-p2c-convolution", "deberta.embeddings.word_embeddings.weight"],
  ["bert", "bert.embeddings.word_embeddings.weight"],
  ["modernbert-mean-biases", "model.embeddings.tok_embeddings.weight"],
])("%s: a row that is not a number leaves its neighbours as they are", async (name, table) => {
  const whole = readFixture(name);
  const rows = [[BROKEN, 9, BROKEN], [3, 4, 5, 6], [BROKEN]];
  const types = rows.map((row) => row.map(() => 0));
  const fixture: ArchitectureFixture = { ...whole, rows, ...(whole.types && { types }) };
  const binding = await openBinding();
  const { files } = writeCheckpoint(fixture);
  breakRow(files[0]!, table, BROKEN);
  const checkpoint = await binding.openCheckpoint(files);
  const { spec, pooling } = describeArchitecture({
    config: fixture.config,
    tensors: checkpoint.tensors,
    files,
  });
  const options = { checkpoint, dtype: "float32", threads: 1, ...stagesOn(spec, "cpu") } as const;
  const model = await binding.loadProgram(spec, options);
  const pool = createPooling(pooling, () => []);
  const positions = rows.map((row) => pool(Int32Array.from(row)));
  const together = await model.forward(packRows(fixture, positions, [0, 1, 2]));
  const alone = await model.forward(packRows(fixture, positions, [1]));
  const { labels } = together;
  expect(together.scores.subarray(labels, 2 * labels)).toEqual(alone.scores);
  expect(alone.scores.every(Number.isFinite)).toBe(true);
  expect(together.scores[0]).toBeNaN();
  await model.dispose();
  checkpoint.close();
});
