import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bench } from "#lib/bench/bench.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { resolveColumns } from "#lib/rows/columns.js";
import { Replicas } from "#lib/scoring/replicas.js";
import type { OpenModel } from "#lib/scoring/scoring-model.js";
import { fakeModel, plans, row } from "../scoring/fake-model.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => vi.useRealTimers());

/** A model for which every row is ten tokens, with so many milliseconds for a token in its tokenizer and in itself. */
function modelOf(tokenizing: number, computing: number): OpenModel {
  const native = fakeModel(({ fields }) => void vi.advanceTimersByTime(fields.ids.length * computing));
  return {
    native: new Replicas([{ devices: ["cpu"], native }]),
    deviceMap: { "": "cpu" },
    plan: plans.packed!,
    maxBatchTokens: 512,
    scoreShape: { perStep: false, attributes: false, names: {} },
    weightsPerToken: 100,
    toRow: ({ ids }) => row(ids[0]!, ids.length),
    inputFormat: "chat",
    encode: (inputs) => {
      vi.advanceTimersByTime(inputs.length * 10 * tokenizing);
      return Promise.resolve(inputs.map(() => ({ fields: { ids: new Int32Array(10) }, truncated: 0 })));
    },
    hurry: () => {},
    close: () => Promise.resolve(),
  };
}

const productRate = vi.fn(() => Promise.resolve(1e9));
const options = {
  columns: resolveColumns({}, {}),
  threads: 0,
  maxBatchTokens: undefined,
  seconds: 60,
  signal: new AbortController().signal,
  onProgress: () => {},
};
const measure = (model: OpenModel, rows: object[]) =>
  bench({ productRate } as Partial<NativeBinding> as NativeBinding, model, { rows, total: 1000 }, options);

const readable = Array.from({ length: 300 }, () => ({ instruction: "How much is 2+2?", response: "4" }));
const unreadable = Array.from({ length: 100 }, () => ({ instruction: "How much is 2+2?" }));

it.each([
  ["the model", 1, 2, 500],
  ["the tokenizer", 4, 2, 250],
])(
  "takes for all rows as long as %s, which is slower, takes for those that can be read",
  async (...given) => {
    const [, tokenizing, computing, tokensPerSecond] = given;
    const found = await measure(modelOf(tokenizing, computing), [...readable, ...unreadable]);
    expect(found).toMatchObject({
      rows: { total: 1000, sampled: 400, unreadable: 100, truncated: 0 },
      lengths: { rows: 300, mean: 10 },
      tokenizedPerSecond: 1000 / tokenizing,
      ceilingFlopsPerSecond: 1e9,
      // As fast as larger ones.
      recommended: { maxBatchTokens: 512, tokensPerSecond: 500, flopsPerSecond: 100_000, saved: 0 },
    });
    // Three of four of the 1000 rows, of 10 tokens each.
    expect(found.secondsForAll).toBeCloseTo(7500 / tokensPerSecond, 6);
  },
);

it("has nothing to measure where no row can be read", async () => {
  const error: unknown = await measure(modelOf(1, 1), unreadable).catch((reason: unknown) => reason);
  expect(RewardModelScoreError.is(error, "ERR_INVALID_ROWS")).toBe(true);
  expect((error as Error).message).toContain("None of the 100 sampled rows can be scored");
});
