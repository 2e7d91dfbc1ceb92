import { describe, expect, it } from "vitest";
import { planPacks } from "#lib/batching/packed.js";
import { readOutcomes } from "#lib/scoring/outcomes.js";
import type { PackResult } from "#lib/scoring/pack-runner.js";
import type { ScoreShape } from "#lib/scoring/scoring-model.js";

const plain: ScoreShape = { perStep: false, attributes: false, names: {} };

/** What a model with `labels` labels returned for rows that read so many tokens each. */
function result(pooled: number[], labels: number, scores: number[], extra: Record<string, number[][]> = {}) {
  const rows = pooled.map((count) => ({
    fields: { ids: Int32Array.from({ length: 8 }, (_, i) => i) },
    pooled: Array.from({ length: count }, (_, i) => i),
    gates: [],
  }));
  const [pack] = planPacks(rows, { budget: 1000, sharePrefixes: false, causal: true, ropeClass: () => 0 });
  const outputs = Object.entries(extra).map(([name, values]) => [
    name,
    { values: Float32Array.from(values.flat()), width: values[0]!.length },
  ]);
  return {
    pack: pack!,
    scores: {
      scores: Float32Array.from(scores),
      labels,
      extra: Object.fromEntries(outputs) as PackResult["scores"]["extra"],
    },
  } satisfies PackResult;
}

describe("readOutcomes", () => {
  it("gives each row its own numbers", () => {
    const outcomes = readOutcomes(result([1, 1], 2, [1, 2, 3, 4]), plain);
    expect([...outcomes]).toEqual([
      [0, { score: [1, 2] }],
      [1, { score: [3, 4] }],
    ]);
  });

  it("gives a row of several steps a list", () => {
    const outcomes = readOutcomes(result([2, 1], 1, [1, 2, 3]), { ...plain, perStep: true });
    expect([...outcomes.values()]).toEqual([{ score: [1, 2] }, { score: [3] }]);
  });

  it.each([NaN, Infinity, -Infinity])("makes %d that row's error and keeps the others' scores", (value) => {
    const outcomes = readOutcomes(result([1, 1, 1], 1, [1, value, 3]), plain);
    expect(outcomes.get(0)).toEqual({ score: 1 });
    expect(outcomes.get(1)).toMatchObject({
      code: "ERR_NOT_FINITE",
      message: expect.stringContaining(String(value)) as unknown,
    });
    expect(outcomes.get(2)).toEqual({ score: 3 });
  });

  it("names the attributes that have published names", () => {
    const returned = result([1, 1], 1, [1, 2], {
      rewards: [
        [0.5, 0.25],
        [0.75, 1],
      ],
      hidden: [[7], [8]],
    });
    const shape = { perStep: false, attributes: true, names: { rewards: ["helpful", "honest"] } };
    expect([...readOutcomes(returned, shape).values()]).toEqual([
      { score: 1, attributes: { rewards: { helpful: 0.5, honest: 0.25 }, hidden: [7] } },
      { score: 2, attributes: { rewards: { helpful: 0.75, honest: 1 }, hidden: [8] } },
    ]);
  });
});
