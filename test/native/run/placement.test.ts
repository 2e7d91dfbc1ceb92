import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NativeModel } from "#lib/native/binding.js";
import { noise, openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { pack, toySpec } from "../toy-program.js";
import { stagesOn } from "../stages-on.js";
import {
  batchBytes,
  bytes,
  hidden,
  openToyCheckpoint,
  place,
  planBytes,
  splitSpec,
  type OpenCheckpoint,
} from "./split-program.js";

let engine: EngineTest;
let toy: OpenCheckpoint;

beforeAll(async () => {
  engine = await openEngineTest();
  toy = await openToyCheckpoint(engine);
});
afterAll(() => toy.remove());
beforeEach(() => engine.simulator.devices([1 << 22, 1 << 22]));

const rows = [[1, 2, 3, 4, 5], [7], Array.from(noise(40, 3), (value) => Math.floor((value + 1) * 25))];
const batch = pack(rows);
const tokens = batch.fields.ids.length;

/** Scores and the head's other outputs. */
async function scores(devices: readonly string[], executionDevice?: string): Promise<unknown> {
  const model = await place(engine, toy.checkpoint, devices, executionDevice);
  const result = await model.forward(batch);
  await model.dispose();
  return result;
}

const everywhere = ["cpu", "disk", "sim:0", "sim:1"];
const splits = everywhere.flatMap((a) =>
  everywhere.flatMap((b) => everywhere.flatMap((c) => everywhere.map((d) => [a, b, c, d]))),
);
const usesAccelerator = (devices: string[]) => devices.some((device) => device.startsWith("sim"));

describe("a model split in every possible place", () => {
  it("over two accelerators, CPU and disk gives the scores of one accelerator", async () => {
    const whole = await scores(["sim:0", "sim:0", "sim:0", "sim:0"]);
    for (const split of splits.filter(usesAccelerator)) {
      expect(await scores(split), split.join(", ")).toEqual(whole);
    }
    for (const index of [0, 1]) {
      expect(engine.simulator.read(index)).toMatchObject({ used: 0, reserved: 0 });
    }
  });

  it("over CPU and disk gives the scores of the CPU", async () => {
    const whole = await scores(["cpu", "cpu", "cpu", "cpu"]);
    for (const split of splits.filter((split) => !usesAccelerator(split))) {
      expect(await scores(split), split.join(", ")).toEqual(whole);
    }
    expect(engine.simulator.read(0).operations).toBe(0);
  });

  it("offloaded as a whole gives the scores of one accelerator", async () => {
    const whole = await scores(["sim:1", "sim:1", "sim:1", "sim:1"]);
    for (const device of ["cpu", "disk"]) {
      expect(await scores([device, device, device, device], "sim:1")).toEqual(whole);
    }
  });
});

describe("what moves between devices", () => {
  /** What a split has to move, from the order in which its stages run. */
  function moved(split: readonly string[]) {
    const executing = split.filter((device) => device.startsWith("sim")).toSorted()[0]!;
    // Offloaded stages are computed on the accelerator, but rows of a table are looked up where it is.
    const [table, first, second, score] = split.map((device, index) =>
      device.startsWith("sim") ? device : index === 0 ? "cpu" : executing,
    );
    const path = [table!, executing, first!, second!, score!];
    const large = 4 * hidden * tokens;
    const sizes = [large, large, large, 4 * hidden * rows.length];
    const used = [...new Set(path)].filter((device) => device !== "cpu");
    const of = (device: string) => {
      const crossings = sizes.flatMap((size, i) =>
        path[i + 1] === device && path[i] !== device ? [{ from: path[i], size }] : [],
      );
      const sum = (from: (device?: string) => boolean) =>
        crossings.filter((crossing) => from(crossing.from)).reduce((total, { size }) => total + size, 0);
      // "turns" is added on the executing device, and goes once to each other one that comes after it.
      const turns = device !== executing && path.slice(2).includes(device) ? 4 * tokens : 0;
      const attends = [first, second].includes(device);
      const kept = [bytes.layer, bytes.layer, bytes.score];
      const offloaded = kept.filter((_, i) => device === executing && !split[i + 1]!.startsWith("sim"));
      return {
        hostToDevice:
          batchBytes(batch) +
          (attends ? planBytes(batch) : 0) +
          sum((from) => from === "cpu") +
          offloaded.reduce((total, size) => total + size, 0),
        fromDevices: sum((from) => from !== "cpu") + turns,
        deviceToHost:
          (attends ? 16 * rows.length : 0) + (device === score ? 4 * rows.length * (2 + hidden) : 0),
      };
    };
    return Object.fromEntries(used.map((device) => [device, of(device)]));
  }

  it.each(everywhere)("is the activations at every boundary, with the table on %s", async (table) => {
    for (const split of splits.filter((split) => split[0] === table && usesAccelerator(split))) {
      const model = await place(engine, toy.checkpoint, split);
      engine.simulator.reset();
      await model.forward(batch);
      for (const [device, counted] of Object.entries(moved(split))) {
        expect(
          engine.simulator.read(Number(device.at(-1))),
          `${device} of ${split.join(", ")}`,
        ).toMatchObject(counted);
      }
      await model.dispose();
    }
  });
});

it("a boundary moves the activations, and what stages added to the batch", async () => {
  const model = await place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:1", "sim:0"]);
  engine.simulator.reset();
  const { scores, extra } = await model.forward(batch);
  const [first, second] = [engine.simulator.read(0), engine.simulator.read(1)];
  const table = 16 * rows.length; // attention reads the table of segments on the host, once a device
  expect(first).toMatchObject({
    hostToDevice: batchBytes(batch) + planBytes(batch),
    fromDevices: 4 * hidden * rows.length,
    deviceToHost: table + 4 * (scores.length + extra["hidden"]!.values.length),
  });
  expect(second).toMatchObject({
    hostToDevice: batchBytes(batch) + planBytes(batch),
    fromDevices: 4 * hidden * tokens + 4 * tokens,
    deviceToHost: table,
  });
  await model.dispose();
});

it("layers share what attention has worked out for the batch", async () => {
  const model = await place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:0", "sim:0"]);
  for (let forward = 0; forward < 2; ++forward) {
    engine.simulator.reset();
    const { scores, extra } = await model.forward(batch);
    expect(engine.simulator.read(0)).toMatchObject({
      hostToDevice: batchBytes(batch) + planBytes(batch),
      deviceToHost: 16 * rows.length + 4 * (scores.length + extra["hidden"]!.values.length),
    });
  }
  await model.dispose();
});

it("layers on devices with a fused attention kernel use it, and score as on the CPU", async () => {
  engine.simulator.setFusedAttention(true);
  const spec = toySpec(2);
  const load = (device: string, others?: Record<string, string>) =>
    engine.loadProgram(spec, {
      checkpoint: toy.checkpoint,
      dtype: "bfloat16",
      threads: 1,
      ...stagesOn(spec, device, others),
    });
  const [onCpu, onDevices] = [await load("cpu"), await load("sim:0", { "model.layers.1": "sim:1" })];
  const { scores } = await onDevices.forward(batch);
  const expected = (await onCpu.forward(batch)).scores;
  // bfloat16 keeps 8 bits.
  for (const [index, score] of expected.entries())
    expect(Math.abs(scores[index]! - score)).toBeLessThan(0.03);
  // Once to see whether it is there, and once for the layer
  for (const index of [0, 1]) expect(engine.simulator.read(index).fusedAttention).toBe(2);
  await Promise.all([onCpu.dispose(), onDevices.dispose()]);
});

describe("stages that are offloaded", () => {
  it.each(["cpu", "disk"])("to %s move their weights once per forward, and nothing stays", async (kept) => {
    const model = await place(engine, toy.checkpoint, [kept, kept, kept, kept], "sim:0");
    expect(engine.simulator.read(0)).toMatchObject({ used: 0, hostToDevice: 0 });
    for (let forward = 0; forward < 2; ++forward) {
      engine.simulator.reset();
      await model.forward(batch);
      // Of the table only the rows that were looked up.
      const moved = 2 * bytes.layer + bytes.score;
      expect(engine.simulator.read(0)).toMatchObject({
        used: 0,
        hostToDevice: moved + 4 * hidden * tokens + batchBytes(batch) + planBytes(batch),
        asynchronous: moved,
      });
    }
    expect(model.bytes).toBe(kept === "disk" ? 0 : bytes.table + 2 * bytes.layer + bytes.score);
    await model.dispose();
  });

  it("come while the stage before computes", async () => {
    const model = await place(engine, toy.checkpoint, ["sim:0", "sim:0", "cpu", "disk"]);
    // The first operation waits for the weights of a stage that is not its turn yet.
    engine.simulator.hold(0, batchBytes(batch) + bytes.layer);
    await model.forward(batch);
    await model.dispose();
  });

  it("come one after the other where there is no room for two", async () => {
    const small = pack([[1, 2, 3]]);
    const offloaded = ["cpu", "cpu", "cpu", "cpu"];
    const roomy = await place(engine, toy.checkpoint, offloaded, "sim:0", "sim:1");
    const expected = await roomy.forward(small);
    await roomy.dispose();

    // Enough for a layer's weights and activations, not for its activations and the next layer's matrices.
    engine.simulator.devices([bytes.layer + 10_000, 1 << 22]);
    const model = await place(engine, toy.checkpoint, offloaded, "sim:0", "sim:1");
    // The first layer begins when the next one's norm has come, which is the last that there is room for.
    engine.simulator.hold(0, batchBytes(small) + bytes.layer + 4 * hidden);
    expect(await model.forward(small)).toEqual(expected);
    expect(engine.simulator.read(0).used).toBe(0);
    await model.dispose();
  });
});

describe("running out of memory", () => {
  async function expectSurvived(model: NativeModel, device: string): Promise<void> {
    const large = pack(Array.from({ length: 40 }, () => rows[2]!));
    const small = pack([[1, 2]]);
    const before = await model.forward(small);
    const held = [0, 1].map((index) => engine.simulator.read(index).used);
    const error = await rejection(model.forward(large));
    expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY", details: { device } });
    expect([0, 1].map((index) => engine.simulator.read(index).used)).toEqual(held);
    expect(await model.forward(small)).toEqual(before);
    await model.dispose();
  }

  it("in a forward leaves the model as it was", async () => {
    engine.simulator.devices([400_000, 400_000]);
    await expectSurvived(await place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:0", "sim:0"]), "sim:0");
  });

  it("names the device where it happened", async () => {
    engine.simulator.devices([1 << 24, 400_000]);
    await expectSurvived(await place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:1", "sim:1"]), "sim:1");
  });

  it("beside weights that are on their way", async () => {
    engine.simulator.devices([400_000, 400_000]);
    await expectSurvived(
      await place(engine, toy.checkpoint, ["cpu", "disk", "cpu", "disk"], "sim:0"),
      "sim:0",
    );
  });

  it("as weights come in", async () => {
    engine.simulator.devices([bytes.layer - 1000, 1 << 22]);
    const model = await place(engine, toy.checkpoint, ["cpu", "cpu", "cpu", "cpu"], "sim:0");
    for (let forward = 0; forward < 2; ++forward) {
      const error = await rejection(model.forward(batch));
      expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY", details: { device: "sim:0" } });
      expect(engine.simulator.read(0).used).toBe(0);
    }
    await model.dispose();
  });

  it("at load frees what was loaded", async () => {
    engine.simulator.devices([1 << 22, bytes.layer / 2]);
    const error = await rejection(place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:1", "sim:0"]));
    expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY", details: { device: "sim:1" } });
    for (const index of [0, 1]) expect(engine.simulator.read(index).used).toBe(0);
    const model = await place(engine, toy.checkpoint, ["sim:0", "sim:0", "sim:0", "sim:0"]);
    await model.forward(batch);
    await model.dispose();
  });
});

describe("two devices that each hold the model", () => {
  it("work at the same time, and one that fails leaves the other alone", async () => {
    const [first, second] = await Promise.all(
      ["sim:0", "sim:1"].map((device) => place(engine, toy.checkpoint, [device, device, device, device])),
    );
    const expected = await first!.forward(batch);
    // The first device stands still until it fails.
    engine.simulator.hold(0, 1 << 30);
    const stuck = first!.forward(batch);
    expect(await second!.forward(batch)).toEqual(expected);
    engine.simulator.fail(0);
    expect((await rejection(stuck)).code).toBe("ERR_BACKEND");
    expect((await rejection(first!.forward(batch))).code).toBe("ERR_BACKEND");
    expect(await second!.forward(batch)).toEqual(expected);
    await Promise.all([first!.dispose(), second!.dispose()]);
    for (const index of [0, 1]) expect(engine.simulator.read(index).used).toBe(0);
  });
});

it("a checkpoint may be closed when the model is loaded", async () => {
  const own = await openToyCheckpoint(engine);
  const model = await place(engine, own.checkpoint, ["disk", "disk", "cpu", "disk"]);
  own.checkpoint.close();
  own.remove();
  expect(await model.forward(batch)).toEqual(await scores(["cpu", "cpu", "cpu", "cpu"]));
  await model.dispose();
});

describe("the devices of the stages", () => {
  const load = (change: Partial<ReturnType<typeof stagesOn>>) =>
    engine.loadProgram(splitSpec(), {
      checkpoint: toy.checkpoint,
      dtype: "float32",
      threads: 1,
      ...stagesOn(splitSpec(), "sim:0"),
      ...change,
    });

  it("are refused where they leave one out", async () => {
    const { score: _, ...stageDevices } = stagesOn(splitSpec(), "sim:0").stageDevices;
    const error = await rejection(load({ stageDevices }));
    expect(error.code).toBe("ERR_INVALID_OPTION");
    expect(error.message).toContain("score");
  });

  it("are refused where one is not there", async () => {
    const { stageDevices } = stagesOn(splitSpec(), "sim:7");
    expect((await rejection(load({ stageDevices }))).code).toBe("ERR_DEVICE_UNAVAILABLE");
    expect((await rejection(load({ executionDevice: "cuda:0" }))).code).toBe("ERR_DEVICE_UNAVAILABLE");
  });
});
