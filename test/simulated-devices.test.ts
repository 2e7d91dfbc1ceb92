/** Whole steps on the simulated accelerator: its index stands for a GPU's. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { RewardModelScoreOptions } from "#lib/options.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import type { Row } from "#lib/rows/types.js";
import { openEngineTest, type EngineTest } from "./native/engine-test.js";

vi.mock("#lib/native/load.js", () => ({ loadBinding: () => openEngineTest() }));

let engine: EngineTest;
beforeAll(async () => {
  engine = await openEngineTest();
});
const roomy = 1 << 26;
beforeEach(() => engine.simulator.devices([roomy, roomy]));

const llama = fileURLToPath(new URL("fixtures/classifiers/llama", import.meta.url));
const expected = JSON.parse(readFileSync(`${llama}/expected.json`, "utf8")) as {
  row: Row;
  ids: number[];
  scores: number[];
}[];
const rows = expected.map(({ row }) => row);
const wanted = expected.map(({ scores: [score] }) => score!);

async function load(options: Partial<RewardModelScoreOptions>): Promise<RewardModelScore> {
  const step = new RewardModelScore({ model: llama, threads: 1, ...options });
  await step.load();
  return step;
}

function expectClose(found: unknown[], among = wanted): void {
  expect(found).toHaveLength(among.length);
  found.forEach((score, i) => expect(score, `row ${i}`).toBeCloseTo(among[i]!, 4));
}

describe("an archive", () => {
  it.each([
    [0, 0],
    [1, 1],
    [{ model: 1 }, 1],
    ["auto", 0],
  ])("with deviceMap %j is scored on device %i as on the CPU", async (deviceMap, index) => {
    await using step = await load({ deviceMap });
    expect(step.deviceMap).toEqual({ "": index });
    expectClose(await step.score(rows));
    expect(engine.simulator.read(index).operations).toBeGreaterThan(0);
    expect(engine.simulator.read(1 - index)).toMatchObject({ operations: 0, mostUsed: 0 });
  });

  it("is on two devices as replicas", async () => {
    await using step = await load({ replicas: 2, maxBatchTokens: 64 });
    expectClose(await step.score(rows));
    for (const index of [0, 1]) expect(engine.simulator.read(index).operations).toBeGreaterThan(0);
  });

  /** What one batch of these rows takes on a device that has room. */
  async function peakOf(some: Row[]): Promise<number> {
    await using step = await load({ deviceMap: 0 });
    engine.simulator.reset();
    await step.score(some);
    return engine.simulator.read(0).mostUsed;
  }

  const byLength = expected.toSorted((a, b) => a.ids.length - b.ids.length);

  it("survives a batch that has no room: smaller ones are run", async () => {
    const room = await peakOf([byLength.at(-1)!.row]);
    expect(room).toBeLessThan((await peakOf(rows)) / 2);
    engine.simulator.devices([1.1 * room, roomy]);
    await using step = await load({ deviceMap: 0 });
    expectClose(await step.score(rows));
  });

  it("survives a row that has no room even alone, and the others get their scores", async () => {
    const [longest, ...others] = byLength.toReversed();
    const room = await peakOf([others[0]!.row]);
    engine.simulator.devices([room, roomy]);
    await using step = await load({ deviceMap: 0 });
    const found: Row[] = [];
    for await (const row of step.stream(rows)) found.push(row);
    const lost = expected.indexOf(longest!);
    expect(found[lost]).toMatchObject({
      score: null,
      error: expect.stringContaining("ERR_OUT_OF_MEMORY") as string,
    });
    expectClose(
      found.filter((_, i) => i !== lost).map((row) => row["score"]),
      wanted.filter((_, i) => i !== lost),
    );
  });
});
