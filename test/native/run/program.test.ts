import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Dtype, NativeCheckpoint, NativeModel, PackedBatch, ProgramSpec } from "#lib/native/binding.js";
import { openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { writeSafetensors } from "../weights/safetensors-file.js";
import { pack, toySpec, toyTensors } from "../toy-program.js";
import { stagesOn } from "../stages-on.js";
import { sharedFolder } from "../../temporary-folder.js";

let engine: EngineTest;
const folder = sharedFolder("program");
let checkpoint: NativeCheckpoint;

beforeAll(async () => {
  engine = await openEngineTest();
  checkpoint = await engine.openCheckpoint([writeSafetensors(join(folder, "toy.safetensors"), toyTensors())]);
});

function load(spec: ProgramSpec, dtype: Dtype = "float32"): Promise<NativeModel> {
  return engine.loadProgram(spec, {
    checkpoint,
    dtype,
    threads: 0,
    ...stagesOn(spec, "cpu"),
  });
}

const rows = [
  [7],
  [1, 2, 3],
  Array.from({ length: 70 }, (_, index) => (index * 7) % 50),
  [4, 4],
  Array.from({ length: 129 }, (_, index) => (index * 11) % 50),
];

describe("scores", () => {
  it.each(["float32", "bfloat16"] as const)(
    "are the same bits alone, in any pack and in any order in %s",
    async (dtype) => {
      const model = await load(toySpec(), dtype);
      const alone: number[][] = [];
      for (const row of rows) alone.push([...(await model.forward(pack([row]))).scores]);
      expect(alone.flat().every(Number.isFinite)).toBe(true);
      for (const order of [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [2, 0],
        [1, 4, 1],
        [3, 3, 3, 0, 2, 4, 1],
      ]) {
        const { scores, labels } = await model.forward(pack(order.map((index) => rows[index]!)));
        expect(labels).toBe(2);
        expect([...scores]).toEqual(order.flatMap((index) => alone[index]!));
      }
      await model.dispose();
    },
  );

  it("are the same bits when rows share a prefix", async () => {
    const model = await load(toySpec());
    const [prefix, first, second] = [rows[2]!, [1, 2, 3], [9]];
    const apart = await model.forward(
      pack([
        [...prefix, ...first],
        [...prefix, ...second],
      ]),
    );
    const shared: PackedBatch = {
      fields: { ids: Int32Array.from([...prefix, ...first, ...second]) },
      lengths: Int32Array.of(70, 3, 1),
      parents: Int32Array.of(-1, 0, 0),
      rowLengths: Int32Array.of(73, 73, 71),
      pooled: Int32Array.of(72, 73),
      gates: new Int32Array(),
    };
    expect((await model.forward(shared)).scores).toEqual(apart.scores);
    await model.dispose();
  });

  it("depend on every field of the tokens that a stage reads under its name", async () => {
    const spec = toySpec();
    spec.stages.at(-1)!.source = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    positions = batch["positions"].gather(0, batch["anything"])
    return positions.index_select(0, batch["keep"]).float().unsqueeze(1)
`;
    const model = await load(spec);
    const batch = pack([
      [1, 2, 3],
      [4, 5],
    ]);
    const fields = { ...batch.fields, anything: Int32Array.of(0, 0, 2, 0, 1) };
    expect([...(await model.forward({ ...batch, fields })).scores]).toEqual([2, 1]);
    await model.dispose();
  });

  it("come with the head's other outputs", async () => {
    const model = await load(toySpec());
    const { extra } = await model.forward(pack(rows));
    expect(Object.keys(extra)).toEqual(["hidden"]);
    expect(extra["hidden"]!.width).toBe(64);
    expect(extra["hidden"]!.values.length).toBe(rows.length * 64);
    await model.dispose();
  });

  it("reach the gates' tokens through keep", async () => {
    const spec = toySpec();
    spec.stages.at(-1)!.source = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    pooled = batch["pooled"].size(0)
    return linear(x[:pooled].float(), self.weight) - linear(x[pooled:].float(), self.weight)
`;
    const model = await load(spec);
    const batch = pack(rows);
    const same = await model.forward({ ...batch, gates: batch.pooled });
    expect([...same.scores]).toEqual(Array(2 * rows.length).fill(0));
    const other = await model.forward({
      ...batch,
      gates: batch.pooled.map((index) => Math.max(0, index - 1)),
    });
    expect(other.scores.some((value) => value !== 0)).toBe(true);
    await model.dispose();
  });
});

describe("a malformed program", () => {
  const broken = (change: (spec: ProgramSpec) => void) => {
    const spec = toySpec();
    change(spec);
    return rejection(load(spec));
  };

  it("names the stage that does not compile", async () => {
    const error = await broken(
      (spec) => (spec.stages[1]!.source = "def forward(self, x: Tensor) -> Tensor:\n    return y\n"),
    );
    expect(error.code).toBe("ERR_MODEL_CONFIG");
    expect(error.message).toContain("model.layers.0");
  });

  it.each<[string, (spec: ProgramSpec) => void]>([
    ["source that is no TorchScript", (spec) => (spec.stages[1]!.source = "}{")],
    ["a stage without forward", (spec) => (spec.stages[1]!.source = "def run(self) -> int:\n    return 1\n")],
    [
      "an op that does not exist",
      (spec) => (spec.reference = spec.reference.replace("def rms_norm(", "def other(")),
    ],
    ["reference ops that do not compile", (spec) => (spec.reference += "\ndef broken(:\n")],
    ["no stages", (spec) => (spec.stages = [])],
    ["an empty list of weights", (spec) => (spec.stages[1]!.weights["norm"] = [])],
    ["attributes without a value", (spec) => (spec.stages[1]!.attributes["eps"] = {} as never)],
    ["an integer that is none", (spec) => (spec.stages[1]!.attributes["last"] = { int: 0.5 })],
    [
      "a weight of an unknown kind",
      (spec) => ((spec.stages[0]!.weights["weight"] as { kind: string }).kind = "sparse"),
    ],
    ["no source", (spec) => (spec.stages[0]!.source = undefined as never)],
  ])("with %s is refused", async (_, change) => {
    expect((await broken(change)).code).toBe("ERR_MODEL_CONFIG");
  });

  it("whose stage fails says so when it runs", async () => {
    const spec = toySpec();
    spec.stages.at(-1)!.source =
      "def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:\n    return x[0]\n";
    const model = await load(spec);
    expect((await rejection(model.forward(pack(rows)))).code).toBe("ERR_BACKEND");
    await model.dispose();
  });
});

describe("a malformed batch", () => {
  const fields = { ids: Int32Array.of(1, 2, 3, 4, 5) };
  it.each<[string, Partial<PackedBatch>]>([
    ["a parent that comes later", { parents: Int32Array.of(1, -1) }],
    ["itself as parent", { parents: Int32Array.of(-1, 1) }],
    ["an empty segment", { lengths: Int32Array.of(5, 0) }],
    ["lengths that overflow", { lengths: Int32Array.of(2 ** 31 - 1, 2 ** 31 - 1) }],
    ["too few ids", { fields: { ids: Int32Array.of(1, 2, 3, 4) } }],
    ["a negative id", { fields: { ids: Int32Array.of(1, 2, -3, 4, 5) } }],
    ["no ids", { fields: { token_types: Int32Array.of(0, 0, 0, 1, 1) } as never }],
    ["nothing of its tokens", { fields: undefined as never }],
    ["too few of a field", { fields: { ...fields, token_types: Int32Array.of(0, 0, 0, 1) } }],
    ["a field of another kind", { fields: { ...fields, token_types: [0, 0, 0, 1, 1] as never } }],
    ["a field called as what is derived", { fields: { ...fields, positions: fields.ids } }],
    ["pooled outside", { pooled: Int32Array.of(2, 5) }],
    ["gates outside", { gates: Int32Array.of(-1, 0) }],
    ["another number of gates", { gates: Int32Array.of(0) }],
    ["nothing pooled", { pooled: new Int32Array() }],
    ["too few parents", { parents: Int32Array.of(-1) }],
  ])("with %s is refused", async (_, change) => {
    const model = await load(toySpec());
    const error = await rejection(
      model.forward({
        ...pack([
          [1, 2, 3],
          [4, 5],
        ]),
        ...change,
      }),
    );
    expect(error.code).toBe("ERR_INVALID_OPTION");
    await model.dispose();
  });

  it("with an id outside the vocabulary fails, and the next batch runs", async () => {
    const model = await load(toySpec());
    expect((await rejection(model.forward(pack([[50]])))).code).toBe("ERR_BACKEND");
    expect((await model.forward(pack([[49]]))).scores.length).toBe(2);
    await model.dispose();
  });
});

it("reports progress up to 1 and the bytes of its weights", async () => {
  const fractions: number[] = [];
  const model = await engine.loadProgram(toySpec(), {
    checkpoint,
    dtype: "float32",
    threads: 0,
    ...stagesOn(toySpec(), "cpu"),
    onProgress: (fraction) => fractions.push(fraction),
  });
  expect(fractions.at(-1)).toBe(1);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  const floats = 50 * 64 + 2 * 64 + 2 * (64 + 2 * 64 * 64 + 64 * 64 + 64);
  expect(model.bytes).toBe(4 * floats);
  await model.dispose();
});

it("refuses a checkpoint that was closed", async () => {
  const closed = await engine.openCheckpoint([join(folder, "toy.safetensors")]);
  closed.close();
  const options = { dtype: "float32", threads: 0 } as const;
  const error = await rejection(
    engine.loadProgram(toySpec(), {
      ...options,
      checkpoint: closed,
      ...stagesOn(toySpec(), "cpu"),
    }),
  );
  expect(error.code).toBe("ERR_NOT_LOADED");
});
