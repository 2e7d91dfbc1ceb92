/** Whole steps with a built-in program on the simulated accelerator: its index stands for a GPU's. */
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { NativeBinding, NativeModel } from "#lib/native/binding.js";
import type { RewardModelScoreOptions } from "#lib/options.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import { openEngineTest, type EngineTest } from "./native/engine-test.js";

/** Rows that came back with a score, by device. */
const computed = vi.hoisted((): { rows: Record<string, number>; after: () => void } => ({
  rows: {},
  after: () => {},
}));

vi.mock("#lib/native/load.js", () => ({ loadBinding: () => openCounting() }));

async function openCounting(): Promise<NativeBinding> {
  const real = await openEngineTest();
  return {
    ...real,
    loadProgram: async (spec, options) => {
      const model = await real.loadProgram(spec, options);
      return counting(model, options.executionDevice);
    },
  };
}

function counting(model: NativeModel, device: string): NativeModel {
  return {
    bytes: model.bytes,
    dtype: model.dtype,
    dispose: () => model.dispose(),
    forward: async (batch) => {
      const scores = await model.forward(batch);
      computed.rows[device] = (computed.rows[device] ?? 0) + batch.pooled.length;
      computed.after();
      return scores;
    },
  };
}

const demo = fileURLToPath(new URL("../models/demo", import.meta.url));
const rows = Array.from({ length: 120 }, (_, i) => ({
  instruction: `How much is ${i}+${i % 7}?`,
  response: i % 3 === 0 ? "I do not know. ".repeat(1 + (i % 11)) : String(i + (i % 7)),
}));
const roomy = 1 << 26;

let engine: EngineTest;
let wanted: number[];

beforeAll(async () => {
  engine = await openEngineTest();
  await using step = await load({ deviceMap: "cpu" });
  wanted = await step.score(rows);
});
beforeEach(() => {
  engine.simulator.devices([roomy, roomy]);
  computed.rows = {};
  computed.after = () => {};
});

async function load(options: Partial<RewardModelScoreOptions>): Promise<RewardModelScore> {
  const step = new RewardModelScore({ model: demo, threads: 1, maxBatchTokens: 256, ...options });
  await step.load();
  return step;
}

/** In order, row by row. */
async function expectScores(step: RewardModelScore): Promise<void> {
  const found: unknown[] = [];
  for await (const { score } of step.stream(rows)) found.push(score);
  expect(found).toHaveLength(wanted.length);
  found.forEach((score, i) => expect(score, `row ${i}`).toBeCloseTo(wanted[i]!, 4));
}

describe("two devices as replicas", () => {
  it("are both busy, and compute every row once", async () => {
    await using step = await load({ replicas: 2 });
    await expectScores(step);
    const { "sim:0": first, "sim:1": second } = computed.rows;
    expect(first! + second!).toBe(rows.length);
    for (const { batches } of step.replicas) expect(batches).toBeGreaterThan(2);
  });

  it.each([0, 1])("lose nothing when device %i fails in the middle", async (failing) => {
    await using step = await load({ replicas: 2 });
    computed.after = () => {
      if (computed.rows[`sim:${failing}`]! > 10) engine.simulator.fail(failing);
    };
    await expectScores(step);
    const { "sim:0": first, "sim:1": second } = computed.rows;
    expect(first! + second!).toBe(rows.length);
    expect(step.replicas[failing]).toMatchObject({ failure: { code: "ERR_BACKEND" } });
    expect(step.replicas[1 - failing]!.failure).toBeUndefined();
  });
});

describe("memory that runs out", () => {
  const large = { maxBatchTokens: 4096 };

  /** Too little for the largest batch. */
  async function scarce(): Promise<number> {
    await using step = await load({ deviceMap: 0, ...large });
    await step.score(rows);
    computed.rows = {};
    return engine.simulator.read(0).mostUsed - 1;
  }

  it("in a batch is survived: smaller ones are run", async () => {
    engine.simulator.devices([await scarce(), roomy]);
    await using step = await load({ deviceMap: 0, ...large });
    await expectScores(step);
    expect(computed.rows).toEqual({ "sim:0": rows.length });
  });

  it("on one replica leaves large batches to the other", async () => {
    engine.simulator.devices([await scarce(), roomy]);
    await using step = await load({ replicas: 2, ...large });
    await expectScores(step);
    expect((computed.rows["sim:0"] ?? 0) + computed.rows["sim:1"]!).toBe(rows.length);
    expect(step.replicas.map(({ fullAt }) => fullAt)).toEqual([expect.any(Number), undefined]);
  });
});

it.each([
  { "": 0 },
  { "": 1, "model.layers.1": 0 },
  { "": 0, model: "cpu" },
  { "": 0, "model.layers.0": "disk" },
])("a model placed by %j scores as on the CPU", async (deviceMap) => {
  await using step = await load({ deviceMap });
  await expectScores(step);
});
