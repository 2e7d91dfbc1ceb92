import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planPaddedBatches } from "#lib/batching/padded.js";

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 60 });

describe("planPaddedBatches", () => {
  it("puts every row in one batch and keeps padded tokens inside the budget", () => {
    fc.assert(
      fc.property(lengthsArbitrary, fc.integer({ min: 1, max: 1000 }), (lengths, budget) => {
        const batches = planPaddedBatches(lengths, budget, true);
        expect(batches.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const batch of batches) {
          const padded = batch.length * Math.max(...batch.map((row) => lengths[row]!));
          expect(padded <= budget || batch.length === 1).toBe(true);
        }
      }),
    );
  });

  it("puts rows of similar length together", () => {
    expect(planPaddedBatches([10, 100, 11, 99], 200, true)).toEqual([
      [1, 3],
      [2, 0],
    ]);
  });

  it("mixes no lengths when the model cannot pad", () => {
    expect(planPaddedBatches([5, 6, 5, 6, 6], 1000, false)).toEqual([
      [1, 3, 4],
      [0, 2],
    ]);
  });
});
