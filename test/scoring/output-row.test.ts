import { expect, it } from "vitest";
import { resolveColumns } from "#lib/rows/columns.js";
import { outputRow } from "#lib/scoring/output-row.js";

it("is a copy with the score in the mapped column", () => {
  const row = Object.freeze({ id: 7, nested: { a: 1 } });
  const scored = outputRow(row, { score: 1.5 }, resolveColumns({}, { score: "reward" }));
  expect(scored).toEqual({ id: 7, nested: { a: 1 }, reward: 1.5 });
  expect(row).toEqual({ id: 7, nested: { a: 1 } });
});

it("keeps nothing that an earlier run left in the columns of scoring", () => {
  const row = { error: "ERR_OLD: old", attributes: { old: [1] }, id: 7, score: 0.5 };
  const columns = resolveColumns({}, {}, true);
  expect(outputRow(row, { score: 1.5 }, columns)).toEqual({ id: 7, score: 1.5 });
  expect(outputRow(row, { score: 1.5, attributes: { new: [2] } }, columns)).toEqual({
    id: 7,
    score: 1.5,
    attributes: { new: [2] },
  });
  const failed = { code: "ERR_INVALID_ROWS", path: "", message: "is null" } as const;
  expect(outputRow(row, failed, columns)).toEqual({
    id: 7,
    score: null,
    error: "ERR_INVALID_ROWS: is null",
  });
  expect(outputRow(row, { score: 1.5 }, resolveColumns())).toHaveProperty("attributes", { old: [1] });
});

it("takes any name for the score's column", () => {
  const columns = resolveColumns({}, { score: "__proto__" });
  expect(JSON.stringify(outputRow({ id: 7 }, { score: 1.5 }, columns))).toBe('{"id":7,"__proto__":1.5}');
});
