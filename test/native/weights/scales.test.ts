/** Weights that are stored in F8 with scales, against the formula; what F8 is, torch has said. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { NativeCheckpoint, WeightPart, WeightSpec } from "#lib/native/binding.js";
import { sharedFolder } from "../../temporary-folder.js";
import { openEngineTest, rejection, toBfloat16, type EngineTest } from "../engine-test.js";
import { bound, dense } from "./bound.js";
import { bytesOf, f32, writeSafetensors, type FileTensor } from "./safetensors-file.js";

let engine: EngineTest;
/** What each code of F8_E4M3 is. */
let values: number[];
const folder = sharedFolder("scales");

beforeAll(async () => {
  engine = await openEngineTest();
  const path = fileURLToPath(new URL("../../fixtures/weights/float8_values.safetensors", import.meta.url));
  const checkpoint = await engine.openCheckpoint([path]);
  values = (await bound(engine, checkpoint, dense([16, 16], { tensor: "float8_e4m3fn" }))).flat();
});

function open(tensors: Record<string, FileTensor>): Promise<NativeCheckpoint> {
  return engine.openCheckpoint([writeSafetensors(join(folder, "model.safetensors"), tensors)]);
}

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
/** Numbers from the largest to the smallest, subnormal ones among them, none of them NaN. */
const code = (i: number) => ((i * 37 + 11) % 127) + (i % 3 === 0 ? 128 : 0);
const codes = (shape: number[]): FileTensor => ({
  dtype: "F8_E4M3",
  shape,
  data: Uint8Array.from({ length: product(shape) }, (_, i) => code(i)),
});
const factor = (i: number) => Math.fround(0.37 + 0.11 * i);
const factors = (shape: number[]) =>
  f32(
    shape,
    Array.from({ length: product(shape) }, (_, i) => factor(i)),
  );

/** The formula, for an element of a stack of matrices. */
function expected([rows, columns]: [number, number], block: [number, number], at: number): number {
  const [matrix, row, column] = [
    Math.floor(at / (rows * columns)),
    Math.floor(at / columns) % rows,
    at % columns,
  ];
  const [down, across] = [Math.ceil(rows / block[0]), Math.ceil(columns / block[1])];
  const scale = (matrix * down + Math.floor(row / block[0])) * across + Math.floor(column / block[1]);
  return Math.fround(values[code(at)]! * factor(scale));
}

const part = (block: [number, number], steps: Omit<WeightPart, "tensor"> = {}): WeightPart => ({
  tensor: "w",
  scale: { tensor: "s", block },
  ...steps,
});

describe("a block's factor is multiplied", () => {
  it.each<[string, number[], number[], [number, number]]>([
    ["one for the tensor", [6, 5], [], [6, 5]],
    ["one for each row", [6, 5], [6, 1], [1, 5]],
    ["blocks of 128 × 128, cut at both edges", [300, 200], [3, 2], [128, 128]],
    ["blocks that fit", [256, 128], [2, 1], [128, 128]],
    ["small blocks", [7, 11], [3, 4], [3, 3]],
    ["groups of a row", [4, 6], [4, 3], [1, 2]],
    ["larger than what is in memory at a time", [1100, 1000], [9, 8], [128, 128]],
    ["a vector", [6], [1], [1, 6]],
  ])("%s", async (_, shape, scales, block) => {
    const checkpoint = await open({ w: codes(shape), s: factors(scales) });
    const [rows, columns] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number]);
    const actual = (await bound(engine, checkpoint, dense(shape, part(block)))).flat();
    expect(actual).toEqual(
      Array.from({ length: product(shape) }, (_, at) => expected([rows, columns], block, at)),
    );
  });

  it.each(["F8_E8M0", "BF16"])("of type %s", async (dtype) => {
    const data = dtype === "BF16" ? bytesOf(Uint16Array.of(0x3f40, 0x4000)) : Uint8Array.of(126, 128);
    const scales = dtype === "BF16" ? [0.75, 2] : [0.5, 2];
    const checkpoint = await open({ w: codes([2, 3]), s: { dtype, shape: [2, 1], data } });
    const actual = await bound(engine, checkpoint, dense([2, 3], part([1, 3])));
    expect(actual.flat()).toEqual(
      Array.from({ length: 6 }, (_, i) => values[code(i)]! * scales[Math.floor(i / 3)]!),
    );
  });

  it("in float32, and rounded once to the model's type", async () => {
    const checkpoint = await open({ w: codes([7, 11]), s: factors([3, 4]) });
    const exact = Float32Array.from({ length: 77 }, (_, at) => expected([7, 11], [3, 3], at));
    const rounded = new Float32Array(Uint32Array.from(toBfloat16(exact), (word) => word << 16).buffer);
    const actual = await bound(engine, checkpoint, dense([7, 11], part([3, 3])), "bfloat16");
    expect(actual.flat()).toEqual([...rounded]);
  });
});

describe("before all other steps", () => {
  const block: [number, number] = [3, 2];
  const whole = (shape: [number, number], count = product(shape)) =>
    Array.from({ length: count }, (_, at) => expected(shape, block, at));
  const rowsOf = (numbers: number[], width: number) =>
    Array.from({ length: numbers.length / width }, (_, row) => numbers.slice(row * width, (row + 1) * width));

  it.each<[string, WeightSpec, (rows: number[][]) => number[][]]>([
    ["rows", dense([3, 5], part(block, { slice: { dim: 0, start: 2, end: 5 } })), (rows) => rows.slice(2, 5)],
    [
      "columns",
      dense([8, 2], part(block, { slice: { dim: 1, start: 1, end: 3 } })),
      (rows) => rows.map((row) => row.slice(1, 3)),
    ],
    [
      "transposed",
      dense([5, 8], part(block, { transpose: true })),
      (rows) => rows[0]!.map((_, column) => rows.map((row) => row[column]!)),
    ],
    [
      "interleaved",
      dense(
        [4, 5],
        part(block, { reshape: [4, 2, 5], slice: { dim: 1, start: 1, end: 2 }, flatten: [4, 5] }),
      ),
      (rows) => rows.filter((_, row) => row % 2 === 1),
    ],
    [
      "after another part",
      dense(
        [4, 5],
        part(block, { slice: { dim: 0, start: 7, end: 8 } }),
        part(block, { slice: { dim: 0, start: 1, end: 4 } }),
      ),
      (rows) => [rows[7]!, ...rows.slice(1, 4)],
    ],
  ])("%s", async (_, weight, take) => {
    const checkpoint = await open({ w: codes([8, 5]), s: factors([3, 3]) });
    const rows = take(rowsOf(whole([8, 5]), 5));
    expect(await bound(engine, checkpoint, weight)).toEqual(rows);
    const linear = await bound(engine, checkpoint, { ...weight, kind: "linear" });
    expect(linear).toEqual(rows[0]!.map((_, column) => rows.map((row) => row[column]!)));
  });

  it("one matrix of a stack, whose blocks begin anew with each", async () => {
    const checkpoint = await open({ w: codes([3, 4, 5]), s: factors([3, 2, 3]) });
    const second = part(block, { slice: { dim: 0, start: 1, end: 2 }, flatten: [4, 5] });
    const matrices = rowsOf(whole([4, 5], 60), 5);
    expect(await bound(engine, checkpoint, dense([4, 5], second))).toEqual(matrices.slice(4, 8));
  });
});

describe("scales that do not fit name the tensor", () => {
  const cases: [string, Record<string, FileTensor>, [number, number], string][] = [
    ["missing", {}, [2, 3], "s"],
    ["too few", { s: factors([1, 1]) }, [2, 3], "s"],
    ["too many", { s: factors([3, 1]) }, [2, 3], "s"],
    ["integers", { s: { dtype: "U8", shape: [2, 1], data: new Uint8Array(2) } }, [2, 3], "s"],
    ["blocks without rows", { s: factors([2, 1]) }, [0, 3], "s"],
  ];
  it("of a weight that is not in F8", async () => {
    const checkpoint = await open({ w: factors([4, 3]), s: factors([2, 1]) });
    const error = await rejection(bound(engine, checkpoint, dense([4, 3], part([2, 3]))));
    expect(error).toMatchObject({ code: "ERR_WEIGHTS", details: { tensor: "w" } });
  });

  it.each(cases)("%s", async (_, scales, block, tensor) => {
    const checkpoint = await open({ w: codes([4, 3]), ...scales });
    const error = await rejection(bound(engine, checkpoint, dense([4, 3], part(block))));
    expect(error).toMatchObject({ code: "ERR_WEIGHTS", details: { tensor } });
  });
});
