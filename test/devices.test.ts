import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { LoadProgress } from "#lib/model/load-progress.js";
import type * as Load from "#lib/native/load.js";
import type {
  ArchiveOptions,
  DeviceInfo,
  NativeModel,
  ProgramOptions,
  ProgramSpec,
} from "#lib/native/binding.js";
import type { RewardModelScoreOptions } from "#lib/options.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import { temporaryFolder } from "./temporary-folder.js";
import { stagesOn } from "./native/stages-on.js";

// The real engine, which is told of GPUs that are not there: what is meant for them is computed on the CPU.
const engine = vi.hoisted(() => ({
  gpus: [] as DeviceInfo[],
  programs: [] as ProgramOptions[],
  archives: [] as ArchiveOptions[],
  /** What stands between the step and a model. */
  wrap: (model: NativeModel, _device: string): NativeModel => model,
}));

vi.mock("#lib/native/load.js", async (original) => {
  const { loadBinding } = await original<typeof Load>();
  return {
    loadBinding: async (libtorch: string) => {
      const real = await loadBinding(libtorch);
      return {
        ...real,
        devices: () => [...real.devices(), ...engine.gpus],
        runtimeInfo: () => ({
          ...real.runtimeInfo(),
          cuda: { available: false, devices: [], reason: "the driver is too old for CUDA 13" },
        }),
        loadProgram: async (spec: ProgramSpec, options: ProgramOptions) => {
          engine.programs.push(options);
          const placed = { ...options, ...stagesOn(spec, "cpu") };
          return engine.wrap(await real.loadProgram(spec, placed), options.executionDevice);
        },
        loadArchive: async (options: ArchiveOptions) => {
          engine.archives.push(options);
          return engine.wrap(await real.loadArchive({ ...options, device: "cpu" }), options.device);
        },
      };
    },
  };
});

const PROGRAM = fileURLToPath(new URL("../models/demo", import.meta.url));
const ARCHIVE = fileURLToPath(new URL("../models/demo/model.pt", import.meta.url));

const rows = Array.from({ length: 120 }, (_, i) => ({
  instruction: `How much is ${i}+${i % 7}?`,
  response: i % 3 === 0 ? "I do not know. ".repeat(1 + (i % 11)) : String(i + (i % 7)),
}));

const gpu = (index: number, free: number): DeviceInfo => ({
  name: `cuda:${index}`,
  kind: "cuda",
  total: free,
  free,
});
const GIB = 2 ** 30;

let alone: unknown[];
let temporary: string;

beforeAll(async () => {
  await using step = new RewardModelScore({ model: PROGRAM });
  await step.load();
  alone = await step.score(rows);
});

beforeEach(() => {
  temporary = temporaryFolder("devices");
  vi.stubEnv("TMPDIR", temporary);
  engine.gpus = [gpu(0, GIB), gpu(1, GIB)];
  engine.programs = [];
  engine.archives = [];
  engine.wrap = (model) => model;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(() => vi.restoreAllMocks());

async function load(options: Partial<RewardModelScoreOptions>, events: LoadProgress[] = []) {
  const step = new RewardModelScore({ model: PROGRAM, maxBatchTokens: 256, ...options });
  await step.load({ onProgress: (event) => events.push(event) });
  return step;
}

/** Of all users: there is but one. */
const claims = () =>
  readdirSync(temporary)
    .filter(isClaims)
    .flatMap((name) => readdirSync(join(temporary, name)));
const isClaims = (name: string) => name.startsWith("reward-model-score-gpus-");

describe("a step", () => {
  it("is on the CPU by default", async () => {
    await using step = await load({});
    expect(step.deviceMap).toEqual({ "": "cpu" });
    expect(step.replicas).toEqual([{ devices: ["cpu"], batches: 0 }]);
    expect(engine.programs).toMatchObject([{ executionDevice: "cpu" }]);
    expect(new Set(Object.values(engine.programs[0]!.stageDevices))).toEqual(new Set(["cpu"]));
  });

  it("knows nothing of devices before it is loaded and after", async () => {
    const step = await load({ deviceMap: 1 });
    await step.unload();
    const fresh = new RewardModelScore({ model: PROGRAM });
    expect([step, fresh].map(({ deviceMap, replicas }) => ({ deviceMap, replicas }))).toEqual(
      Array(2).fill({ deviceMap: undefined, replicas: [] }),
    );
  });

  it("hands the engine the map of its stages", async () => {
    await using step = await load({
      deviceMap: { "": 1, "model.layers.0": "cpu", score: "cuda:0", "model.nrom": 0 },
    });
    const [options] = engine.programs;
    expect(options).toMatchObject({
      executionDevice: "cuda:0",
      stageDevices: {
        "model.embed_tokens": "cuda:1",
        "model.layers.0": "cpu",
        "model.norm": "cuda:1",
        score: "cuda:0",
      },
    });
    expect(step.deviceMap).toEqual({ "": 1, "model.layers.0": "cpu", score: 0, "model.nrom": 0 });
    expect(step.replicas).toMatchObject([{ devices: ["cuda:1", "cuda:0"] }]);
  });

  it("leaves on the disk what has no room in maxMemory, and scores the same", async () => {
    await using step = await load({ maxMemory: { cpu: "1400KB" } });
    expect(new Set(Object.values(step.deviceMap!))).toEqual(new Set(["cpu", "disk"]));
    expect(Object.values(engine.programs[0]!.stageDevices)).toContain("disk");
    expect(await step.score(rows)).toEqual(alone);
  });

  it("warns through onProgress, and through Node.js where nobody listens", async () => {
    const events: LoadProgress[] = [];
    const deviceMap = { "": "cpu", "model.nrom": "cpu" };
    await using _step = await load({ deviceMap }, events);
    expect(events).toContainEqual({
      phase: "warning",
      message: expect.stringContaining("model.nrom") as string,
    });
    const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
    await using silent = new RewardModelScore({ model: PROGRAM, deviceMap });
    await silent.load();
    expect(warned).toHaveBeenCalledWith(expect.stringContaining("model.nrom"), "RewardModelScoreWarning");
  });

  it("says what is missing for CUDA, and does not run on the CPU instead", async () => {
    engine.gpus = [];
    for (const options of [{ deviceMap: "cuda" }, { deviceMap: 0 }, { replicas: 1 }] as const) {
      await expect(load(options)).rejects.toMatchObject({
        code: "ERR_DEVICE_UNAVAILABLE",
        message: expect.stringContaining("the driver is too old for CUDA 13") as string,
      });
    }
    expect(engine.programs).toEqual([]);
  });

  it("claims its GPUs until it is unloaded, or could not be loaded", async () => {
    const first = await load({ deviceMap: "cuda" });
    await using second = await load({ deviceMap: "cuda" });
    expect([first, second].map((step) => step.deviceMap)).toEqual([{ "": 0 }, { "": 1 }]);
    expect(claims()).toHaveLength(2);
    await first.unload();
    expect(claims()).toHaveLength(1);
    engine.wrap = () => {
      throw new RewardModelScoreError("ERR_OUT_OF_MEMORY", "no room", { device: "cuda:0" });
    };
    await expect(load({ deviceMap: "cuda" })).rejects.toMatchObject({ code: "ERR_OUT_OF_MEMORY" });
    expect(claims()).toHaveLength(1);
  });
});

describe.each([
  ["a program", PROGRAM],
  ["an archive", ARCHIVE],
])("replicas of %s", (_kind, model) => {
  const tokenizer = PROGRAM;

  it("share the rows in order, with the scores of one", async () => {
    const events: LoadProgress[] = [];
    await using step = await load({ model, tokenizer, replicas: "auto" }, events);
    expect(step.deviceMap).toEqual({ "": 0 });
    const scores = await step.score(rows);
    expect(scores.map(Number)).toEqual(alone.map((score) => expect.closeTo(Number(score), 4) as unknown));
    if (model === PROGRAM) expect(scores).toEqual(alone);
    expect(step.replicas.map(({ devices }) => devices)).toEqual([["cuda:0"], ["cuda:1"]]);
    for (const { batches } of step.replicas) expect(batches).toBeGreaterThan(2);
    const fractions = events.flatMap((event) => (event.phase === "weights" ? [event.fraction] : []));
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
  });

  it("lose nothing when the device of one fails", async () => {
    let count = 0;
    engine.wrap = (real, device) => ({
      ...real,
      bytes: real.bytes,
      dtype: real.dtype,
      dispose: () => real.dispose(),
      forward: (batch) =>
        device === "cuda:1" && ++count > 2
          ? Promise.reject(new RewardModelScoreError("ERR_BACKEND", "an illegal memory access", {}))
          : real.forward(batch),
    });
    await using step = await load({ model, tokenizer, replicas: 2 });
    const seen: unknown[] = [];
    for await (const row of step.stream(rows)) seen.push(row["score"]);
    expect(seen.map(Number)).toEqual(alone.map((score) => expect.closeTo(Number(score), 4) as unknown));
    expect(step.replicas).toMatchObject([
      { devices: ["cuda:0"] },
      { devices: ["cuda:1"], batches: 2, failure: { code: "ERR_BACKEND" } },
    ]);
  });

  it("are all freed when one cannot be loaded", async () => {
    const disposed: string[] = [];
    engine.wrap = (real, device) => {
      if (device === "cuda:1") {
        void real.dispose();
        throw new RewardModelScoreError("ERR_OUT_OF_MEMORY", "no room", { device });
      }
      return {
        ...real,
        dispose: () => {
          disposed.push(device);
          return real.dispose();
        },
      };
    };
    await expect(load({ model, tokenizer, replicas: 2 })).rejects.toMatchObject({
      code: "ERR_OUT_OF_MEMORY",
    });
    expect(disposed).toEqual(["cuda:0"]);
    expect(claims()).toEqual([]);
  });
});

describe("an archive", () => {
  const archive = { model: ARCHIVE, tokenizer: PROGRAM };

  it.each([
    [{ deviceMap: 1 }, "cuda:1", { "": 1 }],
    [{ deviceMap: "auto" }, "cuda:0", { "": 0 }],
    [{ deviceMap: "auto", maxMemory: { 0: "1KB", 1: "1GB" } }, "cuda:1", { "": 1 }],
    [{ maxMemory: { 0: "1KB", cpu: "1GB" } }, "cpu", { "": "cpu" }],
    [{ deviceMap: { model: 1, score: "cuda:1" } }, "cuda:1", { "": 1 }],
    [{ deviceMap: { "model.layers.0": "cuda", "": 0 } }, "cuda:0", { "": 0 }],
  ] as const)("goes by %j to %s as a whole", async (options, device, deviceMap) => {
    await using step = await load({ ...archive, ...options });
    expect(engine.archives).toMatchObject([{ device }]);
    expect(step.deviceMap).toEqual(deviceMap);
  });

  it.each([
    { "": 0, "model.layers.0": 1 },
    { model: 0, score: "cpu" },
    { "": "cpu", model: "disk" },
  ])("cannot be divided as %j says", async (deviceMap) => {
    await expect(load({ ...archive, deviceMap })).rejects.toMatchObject({
      code: "ERR_NOT_SUPPORTED",
      details: { feature: "an archive on several devices" },
    });
    expect(engine.archives).toEqual([]);
  });

  it("cannot stay on the disk", async () => {
    await expect(load({ ...archive, maxMemory: { cpu: "1KB" } })).rejects.toMatchObject({
      code: "ERR_NOT_SUPPORTED",
    });
  });
});
