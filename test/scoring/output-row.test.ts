import { expect, it } from "vitest";
import { resolveColumns } from "#lib/rows/columns.js";
import { outputRow } from "#lib/scoring/output-row.js";

it("is a copy with the score in the mapped column", () => {
  const row = Object.freeze({ id: 7, nested: { a: 1 } });
  const scored = outputRow(row, { score: 1.5 }, resolveColumns({}, { score: "reward" }));
  expect(scored).toEqual({ id: 7, nested: { a: 1 }, reward: 1.5 });
  expect(row).toEqual({ id: 7, nested: { a: 1 } });
});
