import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { longestFirst, truncate } from "#lib/tokenizer/truncation.js";

describe("truncation of one sequence", () => {
  it("loses the end or the beginning", () => {
    expect(truncate([1, 2, 3, 4], 3, "right")).toEqual([1, 2, 3]);
    expect(truncate([1, 2, 3, 4], 3, "left")).toEqual([2, 3, 4]);
    expect(truncate([1, 2], 3, "left")).toEqual([1, 2]);
    expect(truncate([1, 2], 0, "left")).toEqual([]);
  });
});

describe("truncation of a pair", () => {
  const length = fc.nat({ max: 60 });

  it("fills the limit exactly when the pair is longer, and leaves a pair that fits", () => {
    fc.assert(
      fc.property(length, length, length, (first, second, limit) => {
        const [keepFirst, keepSecond] = longestFirst(first, second, limit);
        expect(keepFirst).toBeLessThanOrEqual(first);
        expect(keepSecond).toBeLessThanOrEqual(second);
        expect(keepFirst + keepSecond).toBe(Math.min(limit, first + second));
      }),
    );
  });

  it("shortens the longer one while the shorter fits in half", () => {
    expect(longestFirst(3, 100, 10)).toEqual([3, 7]);
    expect(longestFirst(100, 3, 10)).toEqual([7, 3]);
    expect(longestFirst(50, 60, 9)).toEqual([4, 5]);
    expect(longestFirst(60, 50, 9)).toEqual([5, 4]);
  });
});
