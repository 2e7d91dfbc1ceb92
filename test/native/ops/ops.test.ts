import { beforeAll, describe, expect, it } from "vitest";
import { openEngineTest, type TensorValue } from "../engine-test.js";
import { Random, segmentTable, tensor, type Segment } from "./inputs.js";
import { compileOps, type RunOp } from "./programs.js";

let fused: RunOp;

beforeAll(async () => {
  fused = compileOps(await openEngineTest(), "fused");
});

describe("ops refuse", () => {
  const random = new Random(1);
  const attend = (segments: Segment[], headDim = 4): Float32Array =>
    fused(
      "attention",
      random.tensor("float32", 6, 3 * headDim),
      segmentTable(segments),
      ...[1, 1, headDim].map((int) => ({ int })),
      ...[{ float: 0.5 }, { int: 0 }, { float: 0 }],
    );

  it.each([
    ["a segment beyond the pack", { start: 2, length: 5, parent: -1, position: 0 }],
    ["an empty segment", { start: 0, length: 0, parent: -1, position: 0 }],
    ["a parent that comes later", { start: 0, length: 6, parent: 0, position: 0 }],
    ["a root that starts late", { start: 0, length: 6, parent: -1, position: 3 }],
  ])("%s", (_, segment) => {
    expect(() => attend([segment])).toThrow(/attention: segment 0 is \(start/);
  });

  it("a child that does not continue its parent", () => {
    const root = { start: 0, length: 3, parent: -1, position: 0 };
    expect(() => attend([root, { start: 3, length: 3, parent: 0, position: 4 }])).toThrow(
      /attention: segment 1/,
    );
  });

  it("heads of an odd size", () => {
    expect(() => attend([{ start: 0, length: 6, parent: -1, position: 0 }], 3)).toThrow(/heads of 3/);
  });

  it("an activation that they do not know", () => {
    expect(() => fused("gated_activation", random.tensor("float32", 2, 4), "relu")).toThrow(
      /unknown activation relu/,
    );
  });

  it("float16, which no CPU computes fast", () => {
    const half: TensorValue = { dtype: "float16", shape: [1, 4], data: new Uint16Array(4) };
    expect(() => fused("rms_norm", half, random.vector(4), { float: 1e-6 }, false)).toThrow(/not in Half/);
    expect(() => fused("linear", half, { linear: half })).toThrow(/float32 or bfloat16/);
  });

  it("an input that does not fit the weight", () => {
    const linear = random.tensor("float32", 3, 5);
    expect(() => fused("linear", random.tensor("float32", 2, 4), { linear })).toThrow(
      /the weight .* \[3, 5\]/,
    );
  });
});

it("an unknown instruction set is named with those that exist", () => {
  process.env["REWARD_MODEL_SCORE_CPU"] = "mmx";
  const x = tensor("float32", [1, 4], new Float32Array(4));
  const weight = tensor("float32", [4], new Float32Array(4));
  const run = (): Float32Array => fused("rms_norm", x, weight, { float: 1e-6 }, false);
  expect(run).toThrow(/"mmx"; it must be portable, avx2, avx512 or avx512_bf16/);
});
