import { beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { openEngineTest, type EngineTest, type TensorValue } from "../engine-test.js";
import { addSegment, Random, segmentTable, tensor, type Segment } from "./inputs.js";
import { compileOps, type RunOp } from "./programs.js";

let engine: EngineTest;
let fused: RunOp;

beforeAll(async () => {
  engine = await openEngineTest();
  fused = compileOps(engine, "fused");
});

describe("ops refuse", () => {
  const random = new Random(1);
  const attend = (segments: Segment[], headDim = 4, causal = true): Float32Array =>
    fused(
      "attention",
      random.tensor("float32", 6, 3 * headDim),
      segmentTable(segments),
      ...[1, 1, headDim].map((int) => ({ int })),
      ...[{ float: 0.5 }, causal, { int: 0 }, { float: 0 }],
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

  it("a child without causal attention", () => {
    const segments: Segment[] = [];
    for (const parent of [-1, 0]) addSegment(segments, 3, parent);
    expect(() => attend(segments, 4, false)).toThrow(/attention: segment 1 continues another/);
  });

  it("heads of an odd size", () => {
    expect(() => attend([{ start: 0, length: 6, parent: -1, position: 0 }], 3)).toThrow(/heads of 3/);
  });

  it("an activation that they do not know", () => {
    expect(() => fused("gated_activation", random.tensor("float32", 2, 4), "mish")).toThrow(
      /gated_activation: unknown activation mish/,
    );
    expect(() => fused("activation", random.tensor("float32", 2, 4), "mish")).toThrow(
      /activation: unknown activation mish/,
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

it("an instruction set that is unknown, or another than the one in use, is refused", () => {
  const choose = (cpu: string) => () => engine.initialize(RewardModelScoreError, undefined, cpu);
  expect(choose("mmx")).toThrow(/"mmx"; it must be portable, avx2, avx512 or avx512_bf16/);
  const vector = tensor("float32", [4], new Float32Array(4));
  fused("rms_norm", tensor("float32", [1, 4], new Float32Array(4)), vector, { float: 1e-6 }, false);
  if (process.arch === "x64") expect(choose("portable")).toThrow(/this process already uses (avx|portable)/);
});
