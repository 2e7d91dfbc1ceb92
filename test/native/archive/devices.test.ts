/** Archives on the simulated accelerator: all of them were made on a CPU, or name a GPU that is not there. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NativeModel } from "#lib/native/binding.js";
import { until } from "../../wait.js";
import { type ArchiveChoices, archiveOptions, batchOf, expectClose, expected } from "../archives.js";
import { float32, openEngineTest, referenceOps, rejection, type EngineTest } from "../engine-test.js";

let engine: EngineTest;
beforeAll(async () => {
  engine = await openEngineTest();
});
beforeEach(() => engine.simulator.devices([1 << 26, 1 << 26]));
// What an archive forks is finished by a thread of libtorch, which may let go of the weights only after dispose().
afterEach(() => until(() => [0, 1].every((index) => engine.simulator.read(index).used === 0)));

function fixture(family: string, file: string): string {
  return fileURLToPath(new URL(`../../fixtures/classifiers/${family}/${file}`, import.meta.url));
}

function readRows(family: string): { ids: number[]; scores: number[] }[] {
  return JSON.parse(readFileSync(fixture(family, "expected.json"), "utf8")) as never;
}

const load = (name: string, options: ArchiveChoices = {}) =>
  engine.loadArchive(archiveOptions(name, { device: "sim:1", ...options }));

async function scores(model: NativeModel, rows: number[][]): Promise<number[]> {
  const result = await model.forward(batchOf(rows));
  await model.dispose();
  return [...result.scores];
}

describe.each(["llama", "qwen3", "bert"])("the archive of a tiny %s", (family) => {
  const rows = readRows(family);
  const ids = rows.map((row) => row.ids);
  const wanted = rows.flatMap((row) => row.scores);
  const path = fixture(family, "model.pt");
  const padTokenId = (JSON.parse(readFileSync(fixture(family, "config.json"), "utf8")) as never)[
    "pad_token_id"
  ];

  it("scores as on the CPU, and as transformers does", async () => {
    const onDevice = await scores(await load("", { path, padTokenId }), ids);
    const onCpu = await scores(await load("", { path, padTokenId, device: "cpu" }), ids);
    expectClose(onDevice, onCpu, 1e-5);
    expectClose(onDevice, wanted, 1e-5);
  });

  it.each(["bfloat16", "float16"] as const)("computes its products in %s", async (dtype) => {
    const model = await load("", { path, padTokenId, dtype });
    expect(model.dtype).toBe(dtype);
    expect(engine.simulator.read(1).used).toBeLessThan(1.1 * model.bytes);
    const found = await scores(model, ids);
    expectClose(found, wanted, 0.15);
    expect(found).not.toEqual(wanted.map(Math.fround));
  });

  it("is on its device as a whole: a batch moves its inputs there and its scores back", async () => {
    const model = await load("", { path, padTokenId });
    // Weights that are all 1 are kept once.
    expect(engine.simulator.read(1).used).toBeGreaterThan(0.98 * model.bytes);
    const length = Math.max(...ids.map((row) => row.length));
    for (let forward = 0; forward < 3; ++forward) {
      engine.simulator.reset();
      await model.forward(batchOf(ids));
      expect(engine.simulator.read(1)).toMatchObject({
        hostToDevice: 2 * 8 * ids.length * length,
        deviceToHost: 4 * wanted.length,
        fromDevices: 0,
      });
    }
    await model.dispose();
    expect(engine.simulator.read(1)).toMatchObject({ used: 0, reserved: 0 });
    expect(engine.simulator.read(0)).toMatchObject({ mostUsed: 0, operations: 0 });
  });

  it("has the same bits in every run", async () => {
    const model = await load("", { path, padTokenId });
    const first = await model.forward(batchOf(ids));
    for (let forward = 0; forward < 3; ++forward) expect(await model.forward(batchOf(ids))).toEqual(first);
    await model.dispose();
  });
});

describe.each(["cpu", "sim:1"])("on %s", (device) => {
  it.each(["devices.pt", "madeongpu.pt", "traced.pt", "pair.pt", "logits.pt", "optional3.pt"])(
    "%s runs whatever devices it names",
    async (name) => {
      const found = await scores(await load(name, { device }), expected.rows);
      expectClose(found, expected.scores.flat(), 1e-5);
    },
  );
});

it("what devices.pt does would fail if its device were left in it", () => {
  const f = engine.compile(
    'def f(x: Tensor) -> Tensor:\n    return x.to("sim:1") + torch.zeros([1], device="cpu")\n',
    {
      ops: "reference",
      reference: referenceOps,
    },
  );
  expect(() => f("f", float32([2], [1, 2]))).toThrow(/same device/);
});

it("a float16 archive is computed in float16, or in what is asked for, its constants in containers too", async () => {
  for (const [dtype, computed] of [
    ["auto", "float16"],
    ["float32", "float32"],
  ] as const) {
    const model = await load("float16.pt", { dtype });
    expect(model.dtype).toBe(computed);
    expectClose(await scores(model, expected.rows), expected.scores.flat(), 2e-3);
  }
  expectClose(
    await scores(await load("devices.pt", { dtype: "bfloat16" }), expected.rows),
    expected.scores.flat(),
    2e-2,
  );
});

describe("running out of memory", () => {
  it("at load names the device and leaves nothing on it", async () => {
    engine.simulator.devices([1 << 26, 10_000]);
    const error = await rejection(load("", { path: fixture("llama", "model.pt") }));
    expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY", details: { device: "sim:1" } });
    expect(engine.simulator.read(1).used).toBe(0);
  });

  it("in a batch names the device, and the model lives on", async () => {
    engine.simulator.devices([1 << 26, 1 << 20]);
    const model = await load("", { path: fixture("llama", "model.pt") });
    const small = batchOf([[1, 2, 3]]);
    const before = await model.forward(small);
    const { used } = engine.simulator.read(1);
    const large = batchOf(Array.from({ length: 64 }, () => new Array<number>(60).fill(5)));
    const error = await rejection(model.forward(large));
    expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY", details: { device: "sim:1" } });
    expect(engine.simulator.read(1).used).toBe(used);
    expect(await model.forward(small)).toEqual(before);
    await model.dispose();
  });
});
