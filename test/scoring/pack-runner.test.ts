import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EncodedRow } from "#lib/batching/row.js";
import type { NativeModel } from "#lib/native/binding.js";
import { PackRunner, type PackOutcome } from "#lib/scoring/pack-runner.js";
import { broken, fakeModel, outOfMemory, plans, row } from "./fake-model.js";

async function runAll(native: NativeModel, plan: string, rows: readonly EncodedRow[], maxBatchTokens = 64) {
  const runner = new PackRunner({ native, plan: plans[plan]!, maxBatchTokens });
  const outcomes: PackOutcome[] = [];
  for (const pack of runner.plan(rows)) outcomes.push(...(await runner.run(pack, rows)));
  const scores: (number | string)[] = [];
  for (const outcome of outcomes) {
    if ("error" in outcome) scores[outcome.row] = outcome.error.code;
    else outcome.pack.rows.forEach((index, i) => (scores[index] = outcome.scores.scores[i]!));
  }
  return { scores, runner };
}

const room = (tokens: number) =>
  fakeModel(({ fields }) => (fields.ids.length > tokens ? outOfMemory() : undefined));

describe.each(Object.keys(plans))("PackRunner, %s batches", (plan) => {
  it("gives every row its score or its error, wherever memory ends", async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 80 }), async (lengths, tokens) => {
        const rows = lengths.map((length, i) => row(i + 1, length));
        const { scores } = await runAll(room(tokens), plan, rows);
        expect(scores).toEqual(lengths.map((length, i) => (length <= tokens ? i + 1 : "ERR_OUT_OF_MEMORY")));
      }),
    );
  });

  it("remembers for later packs how much was too much", async () => {
    const rows = Array.from({ length: 64 }, (_, i) => row(i + 1, 4));
    const model = room(20);
    const { runner } = await runAll(model, plan, rows);
    // 64 and 32 tokens were tried once each, before the first batch that fits.
    expect(model.batches.filter(({ fields }) => fields.ids.length > 20)).toHaveLength(2);
    for (const pack of runner.plan(rows)) expect(pack.batch.fields.ids.length).toBeLessThanOrEqual(20);
  });

  it("a row that has no room alone does not shrink the others' packs", async () => {
    const rows = [row(1, 60), ...Array.from({ length: 32 }, (_, i) => row(i + 2, 4))];
    const model = room(50);
    const { scores } = await runAll(model, plan, rows, 32);
    expect(scores[0]).toBe("ERR_OUT_OF_MEMORY");
    expect(Math.max(...model.batches.slice(1).map(({ fields }) => fields.ids.length))).toBe(32);
  });

  it("isolates a row at which the model fails, and keeps the budget", async () => {
    const rows = Array.from({ length: 16 }, (_, i) => row(i + 1, 4));
    const model = fakeModel(({ fields }) => (fields.ids.includes(7) ? broken() : undefined));
    const { scores, runner } = await runAll(model, plan, rows);
    expect(scores).toEqual(rows.map((_, i) => (i === 6 ? "ERR_BACKEND" : i + 1)));
    expect(runner.plan(rows)).toHaveLength(1);
  });

  it("throws what concerns more than the rows", async () => {
    const { RewardModelScoreError } = await import("#lib/errors.js");
    const unloaded = new RewardModelScoreError("ERR_NOT_LOADED", "gone", {});
    await expect(
      runAll(
        fakeModel(() => unloaded),
        plan,
        [row(1, 2), row(2, 2)],
      ),
    ).rejects.toBe(unloaded);
  });
});
