import { describe, expect, it } from "vitest";
import { createPooling, type PoolingRule } from "#lib/architectures/pooling.js";
import { poolingProgram } from "#lib/architectures/padded-input.js";
import { RewardModelScoreError } from "#lib/errors.js";

const PAD = 9;
const noText = () => {
  throw new Error("no text was expected");
};

function pooled(rule: PoolingRule, ids: number[]): number[] {
  return createPooling(rule, noText)(Int32Array.from(ids)).pooled;
}

describe("pooling rules", () => {
  it.each([
    [[1, 2, 3], 2],
    [[1, PAD, 3], 2],
    [[1, 2, PAD], 1],
    [[1, PAD, PAD], 0],
    [[PAD, PAD], 0],
    [[PAD, 1], 1],
    [[1], 0],
  ])("hf takes the rightmost id that is not the pad token: %j", (ids, expected) => {
    expect(pooled({ rule: "hf", padTokenId: PAD }, ids)).toEqual([expected]);
  });

  it("hf without a pad token takes the last token", () => {
    expect(pooled({ rule: "hf", padTokenId: null }, [PAD, 0])).toEqual([1]);
  });

  it.each([
    [[1, 2, 3], 2],
    [[1, PAD, 3], 0],
    [[1, 2, PAD, PAD], 1],
    [[PAD, 1, 2], 2],
  ])("first-pad-minus-one stops at the first pad token: %j", (ids, expected) => {
    expect(pooled({ rule: "first-pad-minus-one", padTokenId: PAD }, ids)).toEqual([expected]);
  });

  it("first takes the first token, whatever it is", () => {
    expect(pooled({ rule: "first", padTokenId: PAD }, [PAD, 1, 2])).toEqual([0]);
  });

  it("finds the last and every occurrence of a token", () => {
    expect(pooled({ rule: "last-token", token: 5 }, [5, 1, 5, 2])).toEqual([2]);
    expect(pooled({ rule: "every-token", token: 5 }, [5, 1, 5, 2])).toEqual([0, 2]);
  });

  it("a text stands for the last of its ids", () => {
    const pool = createPooling({ rule: "every-token", token: "\n" }, (text) => (text === "\n" ? [7, 5] : []));
    expect(pool(Int32Array.of(7, 5, 1, 5)).pooled).toEqual([1, 3]);
  });

  it("a text that the tokenizer does not know is an error at once", () => {
    expect(() => createPooling({ rule: "every-token", token: "<extra_0>" }, () => [])).toThrow(/<extra_0>/);
  });

  it("gates read the start of the pattern's last occurrence", () => {
    const pool = createPooling({ rule: "last", gate: "assistant" }, () => [4, 5]);
    expect(pool(Int32Array.of(4, 5, 1, 4, 5, 2))).toEqual({ pooled: [5], gates: [3] });
    expect(pool(Int32Array.of(4, 5))).toEqual({ pooled: [1], gates: [0] });
  });

  it.each([
    [{ rule: "last-token", token: 5 }],
    [{ rule: "every-token", token: 5 }],
    [{ rule: "last", gate: "assistant" }],
  ] satisfies [PoolingRule][])("a row without the token is an error of that row: %j", (rule) => {
    const pool = createPooling(rule, () => [5, 5]);
    let error: unknown;
    try {
      pool(Int32Array.of(1, 2));
    } catch (caught) {
      error = caught;
    }
    expect(RewardModelScoreError.is(error, "ERR_INVALID_ROWS")).toBe(true);
  });

  it("process reward models cannot be exported", () => {
    expect(() => poolingProgram({ rule: "every-token", token: 5 }, noText)).toThrow(/step/);
  });
});
