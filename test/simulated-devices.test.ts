/** Whole steps on the simulated accelerator: its index stands for a GPU's. */
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { exportModel } from "#lib/model/export-model.js";
import { resolveOptions, type RewardModelScoreOptions } from "#lib/options.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import type { Row } from "#lib/rows/types.js";
import { openEngineTest, type EngineTest } from "./native/engine-test.js";
import { openExported } from "./parity/exported.js";
import { sharedFolder } from "./temporary-folder.js";

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

describe("an exported archive", () => {
  const demo = fileURLToPath(new URL("../models/demo", import.meta.url));
  const folder = sharedFolder("exported");
  const questions = Array.from({ length: 40 }, (_, i) => ({
    instruction: `How much is ${i}+${i % 7}?`,
    response: i % 3 === 0 ? "I do not know. ".repeat(1 + (i % 5)) : String(i + (i % 7)),
  }));

  async function exported(name: string, options: Partial<RewardModelScoreOptions> = {}): Promise<string> {
    const output = join(folder, `${name}.pt`);
    const resolved = resolveOptions({ model: demo, ...options });
    await exportModel(resolved, output, { signal: undefined, onProgress: undefined });
    return output;
  }

  async function scored(model: string, options: Partial<RewardModelScoreOptions> = {}) {
    await using step = await load({ model, tokenizer: demo, ...options });
    return { scores: await step.score(questions), map: step.deviceMap, replicas: step.replicas.length };
  }

  it.each<Partial<RewardModelScoreOptions>>([
    {},
    { torchDtype: "bfloat16" },
    { deviceMap: 1 },
    { deviceMap: { "": 0, "model.layers.0": 1, "model.embed_tokens": "cpu", score: "disk" } },
    { deviceMap: "auto", maxMemory: { 0: "700KB", 1: "1MB", cpu: "200KB" } },
    { maxMemory: { cpu: "1400KB" } },
    { replicas: 2 },
    { sharePrefixes: false, maxBatchTokens: 64 },
  ])("with %j goes where its checkpoint goes, with the same bits", async (options) => {
    const found = await scored(await exported("model"), options);
    expect(found).toEqual(await scored(demo, options));
    if (options.maxMemory) expect(new Set(Object.values(found.map!)).size).toBeGreaterThan(1);
  });

  it("keeps the type and the pooling rule that it was exported with", async () => {
    const made = { torchDtype: "bfloat16", pooling: "last" } as const;
    const archive = await exported("last", made);
    expect(await scored(archive)).toEqual(await scored(demo, made));
    const source = (await openExported(engine, archive))!;
    expect(source.architecture).toMatchObject({ dtype: "bfloat16", pooling: { rule: "last" } });
    source.close();
  });

  it("can be exported again, without its checkpoint", async () => {
    const first = await exported("first", { pooling: "last" });
    const second = join(folder, "second.pt");
    for (const name of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
      copyFileSync(join(demo, name), join(folder, name));
    const options = resolveOptions({ model: first });
    await exportModel(options, second, { signal: undefined, onProgress: undefined });
    for (const name of ["reward_model_score.json", "config.json", "chat_template.jinja"])
      expect(await engine.readExtraFile(second, name)).toBe(await engine.readExtraFile(first, name));
    expect(await scored(second)).toEqual(await scored(first));
  });

  it("is written beside its name until it is complete", async () => {
    await exported("whole");
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
    const output = join(folder, "absent", "model.pt");
    const options = resolveOptions({ model: demo });
    await expect(
      exportModel(options, output, { signal: undefined, onProgress: undefined }),
    ).rejects.toMatchObject({
      code: "ERR_IO",
      details: { path: output },
    });
  });
});
