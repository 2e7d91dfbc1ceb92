import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { PackedBatch } from "#lib/native/binding.js";
import { Replicas } from "#lib/scoring/replicas.js";
import { Scorer } from "#lib/scoring/scorer.js";
import { turns } from "../wait.js";
import { broken, fakeModel, outOfMemory, plans, row, type FakeModel } from "./fake-model.js";

function replicasOf(...models: FakeModel[]): Replicas {
  return new Replicas(models.map((native, i) => ({ devices: [`cuda:${i}`], native })));
}

/** Runs rows as the step does. */
function scoreAll(native: Replicas, count: number): Promise<unknown>[] {
  const scorer = new Scorer({
    native,
    deviceMap: { "": 0 },
    plan: plans.packed!,
    maxBatchTokens: 8,
    scoreShape: { perStep: false, attributes: false, names: {} },
    weightsPerToken: undefined,
    toRow: () => {
      throw new Error("rows are encoded already");
    },
    hurry: () => {},
    inputFormat: "chat",
    encode: () => Promise.reject(new Error("rows are encoded already")),
    close: () => native.dispose(),
  });
  const rows = Array.from({ length: count }, (_, i) => row(i + 1, 4));
  return scorer.run(rows, new AbortController().signal, () => {});
}

const scores = (count: number) => Array.from({ length: count }, (_, i) => ({ score: i + 1 }));
const rowsOf = (models: FakeModel[]) =>
  models
    .flatMap(({ batches }) => batches.flatMap(({ fields }) => [...new Set(fields.ids)]))
    .sort((a, b) => a - b);

describe("Replicas", () => {
  it("shares the rows: every row once, in order, all of them busy", async () => {
    const models = [fakeModel(undefined, () => turns(1)), fakeModel(undefined, () => turns(1))];
    const replicas = replicasOf(...models);
    expect(await Promise.all(scoreAll(replicas, 100))).toEqual(scores(100));
    expect(rowsOf(models)).toEqual(scores(100).map(({ score }) => score));
    for (const { batches, busiest } of models) {
      expect(batches.length).toBeGreaterThan(10);
      // One runs, the next is ready; no more is bound to a device that may turn out to be slow.
      expect(busiest).toBe(2);
    }
    expect(replicas.states).toEqual(
      models.map(({ batches }, i) => ({ devices: [`cuda:${i}`], batches: batches.length })),
    );
  });

  it("gives a slow device less to do", async () => {
    const [slow, fast] = [fakeModel(undefined, () => turns(20)), fakeModel(undefined, () => turns(1))];
    await Promise.all(scoreAll(replicasOf(slow, fast), 100));
    expect(fast.batches.length).toBeGreaterThan(2 * slow.batches.length);
  });

  it.each([
    ["ERR_BACKEND", broken()],
    ["ERR_DEVICE_UNAVAILABLE", new RewardModelScoreError("ERR_DEVICE_UNAVAILABLE", "gone", { device: "" })],
  ])("loses nothing when a device fails in the middle with %s, and asks it no more", async (_code, error) => {
    const failing = fakeModel(
      (_batch, count) => (count > 3 ? error : undefined),
      () => turns(1),
    );
    const sound = fakeModel(undefined, () => turns(1));
    const replicas = replicasOf(failing, sound);
    expect(await Promise.all(scoreAll(replicas, 100))).toEqual(scores(100));
    // What was in its queue when it failed, and nothing after.
    expect(failing.batches.length).toBeLessThanOrEqual(3 + 2);
    expect(replicas.states).toEqual([
      { devices: ["cuda:0"], batches: 3, failure: error },
      { devices: ["cuda:1"], batches: 47 },
    ]);
  });

  it("a batch that no device can compute is the batch's fault, and all devices stay", async () => {
    const bad = ({ fields }: PackedBatch) => (fields.ids.includes(5) ? broken() : undefined);
    const models = [fakeModel(bad), fakeModel(bad)];
    const replicas = replicasOf(...models);
    const outcomes = await Promise.allSettled(scoreAll(replicas, 20));
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, i) => (i === 4 ? "rejected" : "fulfilled")),
    );
    expect(replicas.states.map(({ failure }) => failure)).toEqual([undefined, undefined]);
  });

  it("devices that fail each other's batches do not leave the model without a device", async () => {
    let count = 0;
    const flaky = () =>
      fakeModel(
        () => (++count % 3 === 0 ? broken() : undefined),
        () => turns(1),
      );
    const replicas = replicasOf(flaky(), flaky());
    await Promise.allSettled(scoreAll(replicas, 60));
    expect(replicas.states.filter(({ failure }) => !failure)).toHaveLength(1);
  });

  it("a device that is full does not make the others' batches smaller, nor lose a row", async () => {
    const full = fakeModel(outOfMemory);
    const roomy = fakeModel(undefined, () => turns(1));
    const replicas = replicasOf(full, roomy);
    expect(await Promise.all(scoreAll(replicas, 100))).toEqual(scores(100));
    expect(roomy.batches.every(({ fields }) => fields.ids.length === 8)).toBe(true);
    // What was handed over before it was known, and no more.
    expect(full.batches.length).toBeLessThanOrEqual(2);
    expect(replicas.states).toEqual([
      { devices: ["cuda:0"], batches: 0, fullAt: 8 },
      { devices: ["cuda:1"], batches: 50 },
    ]);
  });

  it("makes batches smaller when none of the devices has room", async () => {
    const small = () => fakeModel(({ fields }) => (fields.ids.length > 4 ? outOfMemory() : undefined));
    const models = [small(), small()];
    expect(await Promise.all(scoreAll(replicasOf(...models), 40))).toEqual(scores(40));
    for (const { batches } of models)
      expect(batches.some(({ fields }) => fields.ids.length === 4)).toBe(true);
  });

  it("fails a row alone that has room on none of the devices", async () => {
    const small = () => fakeModel(({ fields }) => (fields.ids.includes(3) ? outOfMemory() : undefined));
    const outcomes = await Promise.allSettled(scoreAll(replicasOf(small(), small()), 20));
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, i) => (i === 2 ? "rejected" : "fulfilled")),
    );
    expect(outcomes[2]).toMatchObject({ reason: { code: "ERR_OUT_OF_MEMORY" } });
  });

  it("uses a device again whose memory came back", async () => {
    let full = true;
    const models = [0, 1].map(() => fakeModel(() => (full ? outOfMemory() : undefined)));
    const replicas = replicasOf(...models);
    const { batch } = plans.packed!([row(1, 4)], 8)[0]!;
    await expect(replicas.forward(batch)).rejects.toMatchObject({ code: "ERR_OUT_OF_MEMORY" });
    expect(models.map(({ batches }) => batches.length)).toEqual([1, 1]);
    full = false;
    await replicas.forward(batch);
    expect(replicas.states.map(({ fullAt }) => fullAt)).toEqual([undefined, 4]);
  });

  it("frees all of them", async () => {
    const models = [fakeModel(), fakeModel()];
    await replicasOf(...models).dispose();
    expect(models.every(({ disposed }) => disposed)).toBe(true);
  });
});
