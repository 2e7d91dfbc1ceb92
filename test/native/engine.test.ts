import { availableParallelism } from "node:os";
import { beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { archiveOptions, batchOf, expected, openBinding } from "./archives.js";

let binding: NativeBinding;

beforeAll(async () => {
  binding = await openBinding();
});

describe("order", () => {
  it("batches run in the order of the calls", async () => {
    const model = await binding.loadArchive(archiveOptions("column.pt"));
    const finished: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        model.forward(batchOf([[index % 32]])).then(() => finished.push(index)),
      ),
    );
    expect(finished).toEqual(Array.from({ length: 50 }, (_, index) => index));
    await model.dispose();
  });

  it("two models take turns on one device", async () => {
    const models = await Promise.all([
      binding.loadArchive(archiveOptions("column.pt")),
      binding.loadArchive(archiveOptions("flat.pt")),
    ]);
    const results = await Promise.all(
      [0, 1, 0, 1].map((index) => models[index]!.forward(batchOf(expected.rows))),
    );
    for (const result of results) expect(result.scores[0]).toBeCloseTo(expected.scores[0]![0]!, 5);
    await Promise.all(models.map((model) => model.dispose()));
  });
});

describe("threads", () => {
  it.each([20_000, 100_000, 2 ** 31, 2 ** 32 + 1, 1e300, -1, 1.5, NaN])(
    "%d of them are refused",
    async (threads) => {
      const error: unknown = await binding
        .loadArchive(archiveOptions("column.pt", { threads }))
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "ERR_INVALID_OPTION", details: { option: "threads" } });
      expect((error as Error).message).toContain(`threads is ${threads}`);
    },
  );

  it.each([-1, 2 ** 31, 1e300, NaN])(
    "an id of padding that no batch can hold is refused too: %d",
    async (padTokenId) => {
      const load = binding.loadArchive(archiveOptions("column.pt", { padTokenId }));
      await expect(load).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
        details: { option: "padTokenId" },
      });
    },
  );
});

describe("input and output belong to the caller", () => {
  it("arrays may be changed as soon as the call returns", async () => {
    const model = await binding.loadArchive(archiveOptions("column.pt"));
    const batch = batchOf(expected.rows);
    const running = model.forward(batch);
    batch.fields.ids.fill(0);
    batch.lengths.fill(0);
    expect((await running).scores[0]).toBeCloseTo(expected.scores[0]![0]!, 5);
    await model.dispose();
  });
});

describe("dispose", () => {
  it("leaves other models alone", async () => {
    const [one, other] = await Promise.all([
      binding.loadArchive(archiveOptions("column.pt")),
      binding.loadArchive(archiveOptions("column.pt")),
    ]);
    const running = other.forward(batchOf(expected.rows));
    await one.dispose();
    expect((await running).scores[0]).toBeCloseTo(expected.scores[0]![0]!, 5);
    await other.dispose();
  });
});

describe("initialize", () => {
  it("errors are of the class that was given", async () => {
    const error: unknown = await binding
      .loadArchive(archiveOptions("absent.pt"))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RewardModelScoreError);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).name).toBe("RewardModelScoreError");
  });

  it("runtimeInfo tells the libtorch that is loaded", () => {
    const info = binding.runtimeInfo();
    expect(info.libtorch).toMatch(/^2\.13\./);
    expect(["AVX512", "AVX2", "DEFAULT", "NO AVX", "SVE256", "ZVECTOR", "VSX"]).toContain(info.cpuCapability);
    expect(info.cuda.available).toBe(info.cuda.devices.length > 0);
    expect(info.threads).toBeGreaterThanOrEqual(1);
    expect(info.threads).toBeLessThanOrEqual(availableParallelism());
    if (process.platform === "linux") expect(info.openmp).toHaveLength(1);
    expect(info.parallel).toContain("ATen parallel backend");
  });
});
