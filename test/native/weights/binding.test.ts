import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { NativeCheckpoint, WeightSpec } from "#lib/native/binding.js";
import { openEngineTest, referenceOps, rejection, toBfloat16, type EngineTest } from "../engine-test.js";
import { pack } from "../toy-program.js";
import { bound, dense, showDense } from "./bound.js";
import { bytesOf, f32, writeSafetensors, type FileTensor } from "./safetensors-file.js";
import { stagesOn } from "../stages-on.js";
import { sharedFolder } from "../../temporary-folder.js";

let engine: EngineTest;
const folder = sharedFolder("binding");
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/weights/${name}`, import.meta.url));

beforeAll(async () => {
  engine = await openEngineTest();
});

function open(tensors: Record<string, FileTensor>): Promise<NativeCheckpoint> {
  return engine.openCheckpoint([writeSafetensors(join(folder, "model.safetensors"), tensors)]);
}

const counting = (shape: number[], start = 0) =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => start + index),
  );

describe("recipes", () => {
  const a = { tensor: "a" };
  const cases: [string, WeightSpec, number[][]][] = [
    [
      "as it is",
      dense([2, 6], a),
      [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10, 11],
      ],
    ],
    [
      "concatenated",
      dense([3, 6], a, { tensor: "b" }),
      [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10, 11],
        [100, 101, 102, 103, 104, 105],
      ],
    ],
    [
      "reshaped",
      dense([4, 3], { ...a, reshape: [4, 3] }),
      [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
        [9, 10, 11],
      ],
    ],
    ["sliced by rows", dense([1, 6], { ...a, slice: { dim: 0, start: 1, end: 2 } }), [[6, 7, 8, 9, 10, 11]]],
    [
      "sliced by columns",
      dense([2, 2], { ...a, slice: { dim: 1, start: 2, end: 4 } }),
      [
        [2, 3],
        [8, 9],
      ],
    ],
    [
      "transposed",
      dense([6, 2], { ...a, transpose: true }),
      [
        [0, 6],
        [1, 7],
        [2, 8],
        [3, 9],
        [4, 10],
        [5, 11],
      ],
    ],
    [
      "reshaped, sliced and flattened",
      dense([2, 3], { ...a, reshape: [2, 2, 3], slice: { dim: 1, start: 1, end: 2 }, flatten: [2, 3] }),
      [
        [3, 4, 5],
        [9, 10, 11],
      ],
    ],
    [
      "one tensor in two parts",
      dense(
        [2, 6],
        { ...a, slice: { dim: 0, start: 1, end: 2 } },
        { ...a, slice: { dim: 0, start: 0, end: 1 } },
      ),
      [
        [6, 7, 8, 9, 10, 11],
        [0, 1, 2, 3, 4, 5],
      ],
    ],
    [
      "packed as a linear",
      { ...dense([2, 6], a), kind: "linear" },
      [
        [0, 6],
        [1, 7],
        [2, 8],
        [3, 9],
        [4, 10],
        [5, 11],
      ],
    ],
    [
      "packed with a bias",
      { ...dense([3, 6], a, { tensor: "b" }), kind: "linear", bias: [null, { tensor: "bias" }] },
      [
        [0, 6, 150],
        [1, 7, 151],
        [2, 8, 152],
        [3, 9, 153],
        [4, 10, 154],
        [5, 11, 155],
      ],
    ],
  ];

  it.each(cases)("bind a weight %s", async (_, weight, expected) => {
    const checkpoint = await open({ a: counting([2, 6]), b: counting([1, 6], 100), bias: f32([1], [50]) });
    expect(await bound(engine, checkpoint, weight)).toEqual(expected);
  });

  it("bind tensors that start at any byte", async () => {
    const checkpoint = await open({
      pad: { dtype: "U8", shape: [3], data: new Uint8Array(3) },
      a: counting([2, 6]),
    });
    const expected = [
      [0, 1, 2, 3, 4, 5],
      [6, 7, 8, 9, 10, 11],
    ];
    expect(await bound(engine, checkpoint, dense([2, 6], a))).toEqual(expected);
    expect(await bound(engine, checkpoint, { ...dense([2, 6], a), kind: "linear" })).toEqual(
      expected[0]!.map((_, column) => expected.map((row) => row[column])),
    );
  });

  it("bind large tensors whole", async () => {
    const [rows, columns] = [3000, 2048];
    const values = Float32Array.from({ length: rows * columns }, (_, index) => index % 9973);
    const checkpoint = await open({ a: { dtype: "F32", shape: [rows, columns], data: bytesOf(values) } });
    const stage = {
      name: "score",
      source: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    index = torch.arange(self.weight.numel()).remainder(9973).view(self.weight.size(0), -1)
    return torch.ne(self.weight, index).sum().float().view(1, 1)
`,
      attributes: {},
      weights: { weight: dense([rows, columns], a) },
    };
    const options = {
      checkpoint,
      dtype: "float32",
      threads: 0,
      ...stagesOn({ stages: [stage] }, "cpu"),
    } as const;
    const model = await engine.loadProgram({ stages: [stage], reference: referenceOps }, options);
    expect([...(await model.forward(pack([[0]]))).scores]).toEqual([0]);
    await model.dispose();
  });

  it("bind lists of weights", async () => {
    const checkpoint = await open({ a: counting([2, 3]), b: counting([2, 3], 10) });
    const stage = {
      name: "score",
      source: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    one = torch.ones([1, 3])
    parts: List[Tensor] = []
    for weight in self.experts:
        parts.append(linear(one, weight))
    return torch.cat(parts, 1) * float(len(self.norms))
`,
      attributes: {},
      weights: {
        experts: ["a", "b"].map((tensor): WeightSpec => ({
          kind: "linear",
          dtype: "model",
          parts: [{ tensor }],
          shape: [2, 3],
        })),
        norms: [dense([2, 3], a)],
      },
    };
    const options = {
      checkpoint,
      dtype: "float32",
      threads: 0,
      ...stagesOn({ stages: [stage] }, "cpu"),
    } as const;
    const model = await engine.loadProgram({ stages: [stage], reference: referenceOps }, options);
    expect([...(await model.forward(pack([[0]]))).scores]).toEqual([3, 12, 33, 42]);
    await model.dispose();
  });
});

describe("types", () => {
  const values = [1, 1 / 3, -65504, 1e-3, 0, 2.5];
  const exact = Float32Array.from(values);
  const rounded = (bits: Uint16Array) => [
    ...new Float32Array(Uint32Array.from(bits, (word) => word << 16).buffer),
  ];

  it.each<[string, Uint8Array, number[]]>([
    ["F32", bytesOf(exact), [...exact]],
    ["F64", bytesOf(Float64Array.from(values)), [...exact]],
    ["BF16", bytesOf(toBfloat16(exact)), rounded(toBfloat16(exact))],
    [
      "F16",
      bytesOf(Uint16Array.of(0x3c00, 0x3555, 0xfbff, 0x1419, 0x0000, 0x4100)),
      [1, 0.333251953125, -65504, (1 + 25 / 1024) / 1024, 0, 2.5],
    ],
  ])("%s is converted to the model's", async (dtype, data, expected) => {
    const checkpoint = await open({ a: { dtype, shape: [2, 3], data } });
    expect((await bound(engine, checkpoint, dense([2, 3], { tensor: "a" }))).flat()).toEqual(expected);
  });

  it.each(["float8.safetensors", "float8.bin", "legacy_float8.bin"])(
    "%s: every code of F8 is the number that torch makes of it",
    async (name) => {
      const stored = await engine.openCheckpoint([fixture(name)]);
      const values = await engine.openCheckpoint([fixture("float8_values.safetensors")]);
      expect(stored.tensors.map(({ dtype }) => dtype).sort()).toEqual(["F8_E4M3", "F8_E5M2", "F8_E8M0"]);
      for (const { name: tensor } of stored.tensors) {
        const expected = (await bound(engine, values, dense([16, 16], { tensor }))).flat();
        expect(new Set(expected).size).toBeGreaterThan(240);
        expect((await bound(engine, stored, dense([16, 16], { tensor }))).flat(), tensor).toEqual(expected);
      }
    },
  );

  it("float32 weights stay float32 in a bfloat16 model; others are rounded to nearest even", async () => {
    const checkpoint = await open({ a: f32([2, 3], values) });
    const weight = dense([2, 3], { tensor: "a" });
    expect((await bound(engine, checkpoint, weight, "bfloat16")).flat()).toEqual(rounded(toBfloat16(exact)));
    expect((await bound(engine, checkpoint, { ...weight, dtype: "float32" }, "bfloat16")).flat()).toEqual([
      ...exact,
    ]);
  });
});

describe("weights that do not fit name the tensor and its file", () => {
  const cases: [string, WeightSpec, string][] = [
    ["missing", dense([2, 6], { tensor: "c" }), "c"],
    ["with another shape", dense([6, 2], { tensor: "a" }), "a"],
    ["with fewer dimensions", dense([12], { tensor: "a" }), "a"],
    ["with other columns than their neighbour", dense([3, 6], { tensor: "a" }, { tensor: "narrow" }), "a"],
    ["that cannot be reshaped", dense([5, 2], { tensor: "a", reshape: [5, 2] }), "a"],
    [
      "reshaped to a hostile size",
      dense([2 ** 40, 2 ** 40], { tensor: "a", reshape: [2 ** 40, 2 ** 40] }),
      "a",
    ],
    ["reshaped to a negative size", dense([-2, -6], { tensor: "a", reshape: [-2, -6] }), "a"],
    ["sliced outside", dense([2, 6], { tensor: "a", slice: { dim: 0, start: 1, end: 3 } }), "a"],
    [
      "sliced along a dimension that they lack",
      dense([2, 6], { tensor: "a", slice: { dim: 2, start: 0, end: 1 } }),
      "a",
    ],
    ["of another type", dense([2], { tensor: "integers" }), "integers"],
    ["of a type that libtorch has none for", dense([4], { tensor: "six" }), "six"],
    [
      "with a bias of another shape",
      { ...dense([2, 6], { tensor: "a" }), kind: "linear", bias: [{ tensor: "narrow" }] },
      "narrow",
    ],
    [
      "with a missing bias",
      { ...dense([2, 6], { tensor: "a" }), kind: "linear", bias: [{ tensor: "d" }] },
      "d",
    ],
  ];

  it.each(cases)("%s", async (_, weight, tensor) => {
    const checkpoint = await open({
      a: counting([2, 6]),
      narrow: counting([1, 5]),
      integers: { dtype: "I64", shape: [2], data: new Uint8Array(16) },
      six: { dtype: "F6_E3M2", shape: [4], data: new Uint8Array(3) },
    });
    const error = await rejection(bound(engine, checkpoint, weight));
    expect(error.code).toBe("ERR_WEIGHTS");
    const present = checkpoint.tensors.some(({ name }) => name === tensor);
    expect(error.details).toEqual(present ? { tensor, path: join(folder, "model.safetensors") } : { tensor });
  });

  it("before anything is read", async () => {
    const checkpoint = await open({ a: counting([2, 6]) });
    const fractions: number[] = [];
    const stage = (tensor: string) => ({
      name: tensor,
      source: showDense,
      attributes: {},
      weights: { weight: dense([2, 6], { tensor }) },
    });
    const spec = { stages: [stage("a"), stage("missing")], reference: referenceOps };
    const error = await rejection(
      engine.loadProgram(spec, {
        checkpoint,
        dtype: "float32",
        threads: 0,
        ...stagesOn(spec, "cpu"),
        onProgress: (fraction) => fractions.push(fraction),
      }),
    );
    expect([error.code, fractions]).toEqual(["ERR_WEIGHTS", []]);
  });
});

describe("files of torch.save", () => {
  const expected = JSON.parse(readFileSync(fixture("tensors.json"), "utf8")) as Record<
    string,
    { shape: number[]; values: number[] }
  >;

  it.each(["tensors.bin", "protocol4.bin", "legacy.bin", "legacy_protocol4.bin", "tensors.safetensors"])(
    "%s holds the values that were saved",
    async (name) => {
      const checkpoint = await engine.openCheckpoint([fixture(name)]);
      expect(Object.fromEntries(checkpoint.tensors.map(({ name, shape }) => [name, shape]))).toEqual(
        Object.fromEntries(Object.entries(expected).map(([name, { shape }]) => [name, shape])),
      );
      for (const name of ["f32", "f64", "f16", "bf16", "transposed", "row"]) {
        const { shape, values } = expected[name]!;
        expect((await bound(engine, checkpoint, dense(shape, { tensor: name }))).flat(), name).toEqual(
          values,
        );
      }
    },
  );

  it.each(["state_dict.bin", "parameters.bin", "legacy_state_dict.bin"])(
    "%s: a module's own dict",
    async (name) => {
      const checkpoint = await engine.openCheckpoint([fixture(name)]);
      expect(checkpoint.tensors.map(({ name }) => name).sort()).toEqual(["bias", "weight"]);
      const weight: WeightSpec = {
        ...dense([2, 3], { tensor: "weight" }),
        kind: "linear",
        bias: [{ tensor: "bias" }],
      };
      expect(await bound(engine, checkpoint, weight)).toEqual([
        [0.5, 2.5],
        [1.5, 3.5],
        [2.5, 4.5],
      ]);
    },
  );

  it.each([
    ["harmful.bin", /print/, undefined],
    ["legacy_harmful.bin", /print/, undefined],
    ["module.bin", /torch\.nn\.modules\.linear\.Linear/, undefined],
    ["compressed.bin", /compressed/, "weight"],
    ["short_storage.bin", /more bytes/, "weight"],
  ])("%s is refused", async (name, message, tensor) => {
    const error = await rejection(engine.openCheckpoint([fixture(name)]));
    expect(error.code).toBe("ERR_MODEL_CORRUPT");
    expect(error.message).toMatch(message);
    expect(error.details).toEqual(
      tensor === undefined ? { path: fixture(name) } : { path: fixture(name), tensor },
    );
  });

  it.each(["tensors.bin", "legacy.bin"])("%s survives truncation and random damage", async (name) => {
    const content = readFileSync(fixture(name));
    const path = join(folder, "damaged.bin");
    let state = 99;
    const random = (limit: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % limit;
    for (let i = 0; i < 400; ++i) {
      const damaged = Buffer.from(i % 4 === 0 ? content.subarray(0, random(content.length)) : content);
      if (i % 4 !== 0) for (let n = random(4); n >= 0; --n) damaged[random(damaged.length)] = random(256);
      writeFileSync(path, damaged);
      const result = await engine.openCheckpoint([path]).catch((error: unknown) => error);
      if (result instanceof Error)
        expect(result).toHaveProperty("code", expect.stringMatching(/^ERR_(MODEL_CORRUPT|NOT_SUPPORTED)$/));
    }
  });
});
