/**
 * The thread that does a device's work, seen while it stands still: the simulated device begins no operation before the
 * test has opened the gate. What happens until then happens while a batch runs.
 */
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NativeModel } from "#lib/native/binding.js";
import { turns, until } from "../wait.js";
import { archiveOptions, batchOf, expected } from "./archives.js";
import { float32, openEngineTest, referenceOps, rejection, type EngineTest } from "./engine-test.js";

/** The inputs of a batch of one token are two int64 on the device; these bytes come only from `open`. */
const GATE = 1 << 20;

let engine: EngineTest;
let moveToDevice: (bytes: number) => void;

beforeAll(async () => {
  engine = await openEngineTest();
  const call = engine.compile('def f(x: Tensor) -> Tensor:\n    return x.to("sim:0").to("cpu")\n', {
    ops: "reference",
    reference: referenceOps,
  });
  moveToDevice = (bytes) => call("f", float32([bytes / 4], new Float32Array(bytes / 4)));
});
beforeEach(() => engine.simulator.devices([1 << 26]));

const load = () => engine.loadArchive(archiveOptions("column.pt", { device: "sim:0" }));
const batch = batchOf([[1]]);

/** A batch that runs, and ends only after `open`. */
async function standStill(model: NativeModel) {
  const { hostToDevice } = engine.simulator.read(0);
  engine.simulator.hold(0, GATE);
  const running = model.forward(batch);
  // Its inputs are on the device: it does not wait in the queue any more.
  await until(() => engine.simulator.read(0).hostToDevice > hostToDevice);
  return { running, open: () => moveToDevice(GATE) };
}

/** Names of promises in the order in which they are settled. */
function orderOf(promises: Record<string, Promise<unknown>>): string[] {
  const order: string[] = [];
  for (const [name, promise] of Object.entries(promises)) {
    promise.then(
      () => order.push(name),
      () => order.push(`${name} rejected`),
    );
  }
  return order;
}

describe("dispose", () => {
  it("drops what waits, finishes what runs, refuses what comes later", async () => {
    const model = await load();
    const { running, open } = await standStill(model);
    const waiting = [model.forward(batch), model.forward(batch)];
    const order = orderOf({ running, one: waiting[0]!, other: waiting[1]! });
    const disposals = [model.dispose(), model.dispose()];
    for (const dropped of waiting) expect(await rejection(dropped)).toMatchObject({ code: "ERR_NOT_LOADED" });
    expect(await rejection(model.forward(batch))).toMatchObject({ code: "ERR_NOT_LOADED" });
    expect(order).toEqual(["one rejected", "other rejected"]);
    open();
    expect((await running).scores).toHaveLength(1);
    await Promise.all(disposals);
    await model.dispose();
    expect(engine.simulator.read(0).used).toBe(0);
  });

  it("leaves what waits for another model of the device", async () => {
    const [one, other] = [await load(), await load()];
    const { running, open } = await standStill(one);
    const waiting = other.forward(batchOf(expected.rows));
    const disposal = one.dispose();
    open();
    expect((await waiting).scores[0]).toBeCloseTo(expected.scores[0]![0]!, 5);
    await Promise.all([running, disposal, other.dispose()]);
  });
});

it("as many batches wait as the queue holds, the next one is refused, and none that waits is lost", async () => {
  const model = await load();
  const { running, open } = await standStill(model);
  const waiting = Array.from({ length: 4096 }, () => model.forward(batch));
  for (let count = 0; count < 3; ++count) {
    expect(await rejection(model.forward(batch))).toMatchObject({
      code: "ERR_OVERLOADED",
      details: { limit: 4096 },
    });
  }
  open();
  const [first, ...others] = await Promise.all([running, ...waiting]);
  expect(others.every(({ scores }) => scores[0] === first.scores[0])).toBe(true);
  await model.dispose();
});

it("the event loop goes on while a batch runs, and while a model is loaded behind it", async () => {
  const model = await load();
  const { running, open } = await standStill(model);
  const loading = load();
  const order = orderOf({ running, loading });
  await turns(20);
  expect(order).toEqual([]);
  open();
  const second = await loading;
  expect(order).toEqual(["running", "loading"]);
  await Promise.all([model.dispose(), second.dispose()]);
});
