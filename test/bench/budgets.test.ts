import fc from "fast-check";
import { expect, test } from "vitest";
import { planTrial, recommend, ROUNDS, type BudgetResult } from "#lib/bench/budgets.js";

test("a fast model tries every budget, a slow one what the time allows, and each gets two packs", () => {
  expect(planTrial(1e9, 60, 1e9).budgets).toEqual([512, 1024, 2048, 4096, 8192, 16384, 32768]);
  expect(planTrial(1, 60, 1e9).budgets).toEqual([512]);
  expect(planTrial(1e9, 60, 2000).budgets).toEqual([512]);
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e7, noNaN: true }),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 1e7 }),
      (speed, seconds, available) => {
        const { budgets, tokens } = planTrial(speed, seconds, available);
        expect(tokens).toBeLessThanOrEqual(available);
        expect((budgets.length * ROUNDS * tokens) / speed).toBeLessThanOrEqual(seconds);
        if (budgets.length > 1) expect(tokens).toBeGreaterThanOrEqual(2 * budgets.at(-1)!);
      },
    ),
  );
});

test("the smallest budget that is as fast as the best is recommended", () => {
  const results = (...speeds: number[]) =>
    speeds.map((tokensPerSecond, i) => ({ maxBatchTokens: 512 << i, tokensPerSecond }) as BudgetResult);
  expect(recommend(results(50, 99, 100, 100.5)).maxBatchTokens).toBe(1024);
  expect(recommend(results(50, 90, 100)).maxBatchTokens).toBe(2048);
  expect(recommend(results(100, 50)).maxBatchTokens).toBe(512);
});
