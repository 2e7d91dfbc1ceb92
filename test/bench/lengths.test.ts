import { expect, test } from "vitest";
import { describeLengths } from "#lib/bench/lengths.js";

test("lengths are described by nearest ranks, whatever their order", () => {
  const lengths = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(describeLengths(lengths)).toEqual({
    rows: 100,
    tokens: 5050,
    mean: 50.5,
    min: 1,
    median: 50,
    p95: 95,
    max: 100,
  });
  expect(describeLengths([7])).toEqual({ rows: 1, tokens: 7, mean: 7, min: 7, median: 7, p95: 7, max: 7 });
});
