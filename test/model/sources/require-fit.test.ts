import { expect, it } from "vitest";
import { requireFit } from "#lib/model/sources/require-fit.js";

const tables = { vocabularySize: 10, tokenFields: { token_types: 2 } };
const row = (ids: number[], types: number[] = ids.map(() => 0)) => ({
  ids: Int32Array.from(ids),
  token_types: Int32Array.from(types),
});

it.each([
  ["an id", row([1, 10]), /Token 10 is outside the model's vocabulary of 10/],
  ["a type", row([1, 2], [0, 2]), /A token has 2 among its token_types, of which the model has 2/],
])("%s beyond its table is another tokenizer's", (_, fields, message) => {
  expect(() => requireFit(fields, tables)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_ROWS", message: expect.stringMatching(message) as string }),
  );
});

it("a row that fits is handed on", () => {
  const fields = row([1, 9], [0, 1]);
  expect(requireFit(fields, tables)).toBe(fields);
});

it.each([
  ["from 0 on", { rows: 3 }, [1, 1, 1], [1, 1, 1, 1], 3],
  // 1 to 3 are for the pad id and what is before it; padding has a row of its own.
  ["behind the pad id", { rows: 7, countsFrom: 3 }, [1, 1, 1, 3, 3], [1, 1, 3, 1, 1], 3],
])("positions that are counted %s end where their table does", (_, positionTable, fits, long, room) => {
  expect(requireFit(row(fits), { ...tables, positionTable }).ids).toHaveLength(fits.length);
  expect(() => requireFit(row(long), { ...tables, positionTable })).toThrow(
    new RegExp(`4 tokens, and the model's table of positions ends at ${room}\\. .*maxLength`),
  );
});
