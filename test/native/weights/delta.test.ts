/** What LoRA adds to a tensor while it is read. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Dtype, NativeCheckpoint, WeightDelta, WeightSpec } from "#lib/native/binding.js";
import { sharedFolder } from "../../temporary-folder.js";
import { openEngineTest, rejection, toBfloat16, type EngineTest } from "../engine-test.js";
import { tinyWeights } from "../../parity/tiny-weights.js";
import { bound, dense } from "./bound.js";
import { bytesOf, f32, writeSafetensors, type FileTensor } from "./safetensors-file.js";

let engine: EngineTest;
const folder = sharedFolder("delta");

beforeAll(async () => {
  engine = await openEngineTest();
});

function open(tensors: Record<string, FileTensor>): Promise<NativeCheckpoint> {
  return engine.openCheckpoint([writeSafetensors(join(folder, "model.safetensors"), tensors)]);
}

type Matrix = number[][];
const matrix = (name: string, rows: number, columns: number): Matrix => {
  const numbers = tinyWeights(name, rows * columns, 0, 6);
  return Array.from({ length: rows }, (_, i) => [...numbers.subarray(i * columns, (i + 1) * columns)]);
};
const stored = (values: Matrix) => f32([values.length, values[0]!.length], values.flat());
const transpose = (values: Matrix): Matrix => values[0]!.map((_, i) => values.map((row) => row[i]!));
const product = (b: Matrix, a: Matrix): Matrix =>
  b.map((row) => a[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * a[k]![j]!, 0)));
const sum = (one: Matrix, other: Matrix, scale: number): Matrix =>
  one.map((row, i) => row.map((value, j) => value + scale * other[i]![j]!));
const withNorms = (values: Matrix, norms: readonly number[]): Matrix =>
  values.map((row, i) => row.map((value) => (value * norms[i]!) / Math.hypot(...row)));

function expectMatrix(actual: Matrix, expected: Matrix) {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  const errors = actual.map((row, i) =>
    Math.max(...row.map((value, j) => Math.abs(value - expected[i]![j]!))),
  );
  expect(Math.max(...errors)).toBeLessThan(1e-5);
}

const [OUT, IN, RANK, SCALE] = [6, 8, 2, 0.75];
const weight = matrix("weight", OUT, IN);
const [a, b] = [matrix("a", RANK, IN), matrix("b", OUT, RANK)];
const magnitude = Array.from({ length: OUT }, (_, i) => i + 0.5);
const merged = sum(weight, product(b, a), SCALE);
const scaled = withNorms(merged, magnitude);
const tensors = {
  weight: stored(weight),
  turned: stored(transpose(weight)),
  bias: f32([OUT], magnitude),
  a: stored(a),
  b: stored(b),
  magnitude: f32([OUT], magnitude),
  shift: f32([OUT], [1, 2, 3, 4, 5, 6]),
};
const lora: WeightDelta = { a: "a", b: "b", scale: SCALE };
const dora: WeightDelta = { ...lora, magnitude: "magnitude" };

describe("is scale * (b @ a)", () => {
  const cases: [string, WeightSpec, Matrix][] = [
    ["to a tensor [out, in]", dense([OUT, IN], { tensor: "weight", delta: lora }), merged],
    [
      "to a tensor [in, out]",
      dense([IN, OUT], { tensor: "turned", delta: { ...lora, transposed: true } }),
      transpose(merged),
    ],
    ["with the norms of DoRA", dense([OUT, IN], { tensor: "weight", delta: dora }), scaled],
    [
      "with the norms of DoRA to a tensor [in, out]",
      dense([IN, OUT], { tensor: "turned", delta: { ...dora, transposed: true } }),
      transpose(scaled),
    ],
    [
      "before rows are taken",
      dense([2, IN], { tensor: "weight", delta: dora, slice: { dim: 0, start: 3, end: 5 } }),
      scaled.slice(3, 5),
    ],
    [
      "before columns are taken",
      dense([OUT, 3], { tensor: "weight", delta: dora, slice: { dim: 1, start: 2, end: 5 } }),
      scaled.map((row) => row.slice(2, 5)),
    ],
    [
      "before it is turned",
      dense([OUT, IN], { tensor: "turned", delta: { ...dora, transposed: true }, transpose: true }),
      scaled,
    ],
    [
      "before it is taken apart",
      dense([4, IN], {
        tensor: "weight",
        delta: lora,
        reshape: [2, 3, IN],
        slice: { dim: 1, start: 1, end: 3 },
        flatten: [4, IN],
      }),
      [1, 2, 4, 5].map((row) => merged[row]!),
    ],
  ];

  it.each(cases)("%s", async (_what, spec, expected) => {
    const checkpoint = await open(tensors);
    expectMatrix(await bound(engine, checkpoint, spec), expected);
    // What stays on the disk is read for each use.
    expectMatrix(await bound(engine, checkpoint, spec, "float32", "disk"), expected);
    checkpoint.close();
  });

  it("in a packed linear and its bias, of several parts", async () => {
    const checkpoint = await open(tensors);
    const part = { tensor: "weight", delta: lora };
    const spec: WeightSpec = {
      kind: "linear",
      dtype: "model",
      parts: [{ tensor: "weight" }, part],
      bias: [{ tensor: "bias", delta: { b: "shift", scale: 2 } }, null],
      shape: [2 * OUT, IN],
    };
    const bias = [...magnitude.map((value, i) => value + 2 * (i + 1)), ...magnitude.map(() => 0)];
    const expected = transpose([...weight, ...merged]).map((row) => row.map((value, i) => value + bias[i]!));
    expectMatrix(await bound(engine, checkpoint, spec), expected);
    checkpoint.close();
  });
});

it("is added to what a tensor in F8 is with its scale", async () => {
  // 0x38 is 1, 0x40 is 2.
  const numbers = Uint8Array.from({ length: OUT * IN }, (_, i) => (i % 3 === 0 ? 0x40 : 0x38));
  const checkpoint = await open({
    ...tensors,
    weight: { dtype: "F8_E4M3", shape: [OUT, IN], data: numbers },
    factors: f32([2], [0.5, 3]),
  });
  const scaledWeight = weight.map((row, i) =>
    row.map((_, j) => (numbers[i * IN + j] === 0x40 ? 2 : 1) * (i < 4 ? 0.5 : 3)),
  );
  const part = {
    tensor: "weight",
    scale: { tensor: "factors", block: [4, IN] as [number, number] },
    delta: lora,
  };
  const expected = sum(scaledWeight, product(b, a), SCALE);
  expectMatrix(await bound(engine, checkpoint, dense([OUT, IN], part)), expected);
  const turned = dense([IN, OUT], { ...part, transpose: true });
  expectMatrix(await bound(engine, checkpoint, turned), transpose(expected));
  checkpoint.close();
});

describe("of a tensor that is larger than a block", () => {
  const [rows, columns, rank] = [4200, 1024, 3];
  const big = () => {
    const numbers = (name: string, count: number) => tinyWeights(name, count, 0, 6);
    return {
      weight: f32([rows, columns], numbers("weight", rows * columns)),
      a: f32([rank, columns], numbers("a", rank * columns)),
      b: f32([rows, rank], numbers("b", rows * rank)),
      magnitude: f32([rows], numbers("magnitude", rows)),
    };
  };
  const spec = (from: number, to: number, delta?: WeightDelta): WeightSpec =>
    dense([to - from, columns], {
      tensor: "weight",
      slice: { dim: 0, start: from, end: to },
      ...(delta && { delta }),
    });

  it("every row is changed as its own factors say", async () => {
    const checkpoint = await open(big());
    const plain = await bound(engine, checkpoint, spec(0, rows));
    const changed = await bound(engine, checkpoint, spec(0, rows, lora));
    const [a, b] = [tinyWeights("a", rank * columns, 0, 6), tinyWeights("b", rows * rank, 0, 6)];
    let worst = 0;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j += 31) {
        let added = 0;
        for (let k = 0; k < rank; k++) added += b[i * rank + k]! * a[k * columns + j]!;
        worst = Math.max(worst, Math.abs(plain[i]![j]! + SCALE * added - changed[i]![j]!));
      }
    }
    expect(worst).toBeLessThan(1e-5);
    checkpoint.close();
  });

  it("rows have the same bits whatever others are read with them", async () => {
    const checkpoint = await open(big());
    const delta = { ...lora, magnitude: "magnitude" };
    const whole = await bound(engine, checkpoint, spec(0, rows, delta));
    engine.simulator.devices([1 << 27]);
    // Which is brought them in pieces.
    expect(await bound(engine, checkpoint, spec(0, rows, delta), "float32", "sim:0")).toEqual(whole);
    for (const [from, to] of [
      [0, 1],
      [1000, 1100],
      [1023, 1025],
      [4199, 4200],
    ] as const) {
      const some = await bound(engine, checkpoint, spec(from, to, delta));
      expect(some).toEqual(whole.slice(from, to));
    }
    checkpoint.close();
  });
});

it("the sum is rounded once, whatever either is stored in", async () => {
  const narrow = ({ shape, data }: FileTensor): FileTensor => ({
    dtype: "BF16",
    shape,
    data: bytesOf(toBfloat16(new Float32Array(Uint8Array.from(data).buffer))),
  });
  const expected = merged.map((row) => toBfloat16(Float32Array.from(row)));
  for (const change of [(tensor: FileTensor) => tensor, narrow]) {
    const checkpoint = await open({ weight: change(tensors.weight), a: change(tensors.a), b: tensors.b });
    const spec = dense([OUT, IN], { tensor: "weight", delta: lora });
    const found = await bound(engine, checkpoint, spec, "bfloat16" satisfies Dtype);
    // The numbers are exact in bfloat16, so that both have the same sum.
    expect(found.map((row) => toBfloat16(Float32Array.from(row)))).toEqual(expected);
    checkpoint.close();
  }
});

describe("is refused, with the tensor and its file, where", () => {
  const cases: [string, Partial<WeightDelta>, Record<string, FileTensor>, RegExp][] = [
    ["a factor is missing", { b: "gone" }, {}, /no tensor gone/],
    ["the other factor is missing", { a: "gone" }, {}, /no tensor gone/],
    ["the norms are missing", { magnitude: "gone" }, {}, /no tensor gone/],
    ["a factor is too wide", {}, { a: stored(matrix("a", RANK, IN + 1)) }, /a .*\[2, 9\].*\[2, 8\]/],
    ["a factor is too short", {}, { b: stored(matrix("b", OUT - 1, RANK)) }, /b .*\[5, 2\].*\[6, 2\]/],
    ["the ranks differ", {}, { b: stored(matrix("b", OUT, 3)) }, /b .*\[6, 3\].*\[6, 2\]/],
    ["the rank is 0", {}, { a: f32([0, IN], []), b: f32([OUT, 0], []) }, /\[0, 8\]/],
    ["a factor is a number", {}, { a: f32([], [1]) }, /\[\]/],
    ["a factor holds integers", {}, { a: { ...stored(a), dtype: "I32" } }, /type I32/],
    [
      "the norms are those of the other side",
      { magnitude: "magnitude", transposed: true },
      {},
      /\[2, 8\].*\[2, 6\]/,
    ],
    [
      "the norms are too many",
      { magnitude: "magnitude" },
      { magnitude: f32([7], magnitude.concat(1)) },
      /\[7\]/,
    ],
  ];

  it.each(cases)("%s", async (_what, change, others, message) => {
    const checkpoint = await open({ ...tensors, ...others });
    const spec = dense([OUT, IN], { tensor: "weight", delta: { ...lora, ...change } });
    const error = await rejection(bound(engine, checkpoint, spec));
    expect([error.code, error.message]).toEqual(["ERR_WEIGHTS", expect.stringMatching(message)]);
    checkpoint.close();
  });

  it("the tensor is no matrix", async () => {
    const checkpoint = await open(tensors);
    const spec = dense([OUT], { tensor: "bias", delta: lora });
    expect(await rejection(bound(engine, checkpoint, spec))).toMatchObject({ code: "ERR_WEIGHTS" });
    const vector = dense([OUT], { tensor: "bias", delta: { b: "b", scale: 1 } });
    expect(await rejection(bound(engine, checkpoint, vector))).toMatchObject({ code: "ERR_WEIGHTS" });
    checkpoint.close();
  });
});
