import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi, type Mock } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { exportModel } from "#lib/model/export-model.js";
import { DEMO_MODEL } from "#lib/demo.js";
import { openModel } from "#lib/model/open-model.js";
import type { NativeBinding } from "#lib/native/binding.js";
import type * as Load from "#lib/native/load.js";
import { resolveOptions, type RewardModelScoreOptions } from "#lib/options.js";
import { TokenizerPool } from "#lib/tokenizer/tokenizer.js";
import { MODEL, startHub } from "../hub/support.js";
import { modelFiles } from "../hub/model-files.mjs";
import { rejection } from "../native/engine-test.js";
import { temporaryFolder } from "../temporary-folder.js";

const engine = vi.hoisted(() => ({
  /** Of each checkpoint that was opened: its closing. */
  closings: [] as Mock<() => void>[],
  changes: {},
}));

vi.mock("#lib/native/load.js", async (original) => {
  const { loadBinding } = await original<typeof Load>();
  return {
    loadBinding: async (libtorch: string): Promise<NativeBinding> => {
      const real = await loadBinding(libtorch);
      const openCheckpoint = async (paths: string[]) => {
        const checkpoint = await real.openCheckpoint(paths);
        engine.closings.push(vi.spyOn(checkpoint, "close"));
        return checkpoint;
      };
      return { ...real, openCheckpoint, ...engine.changes };
    },
  };
});

beforeEach(() => {
  engine.closings = [];
  engine.changes = {};
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const quiet = { signal: undefined, onProgress: undefined };

describe("a model of the Hub", () => {
  type Use = (options: RewardModelScoreOptions) => Promise<unknown>;
  const load: Use = (options) => openModel(resolveOptions(options), quiet);
  const save: Use = (options) =>
    exportModel(resolveOptions(options), join(temporaryFolder("export"), "model.pt"), quiet);
  const uses: [string, Use][] = [
    ["loaded", load],
    ["exported", save],
  ];

  async function requestsWith(use: Use, addon?: string): Promise<{ code: unknown; requests: number }> {
    const hub = await startHub();
    hub.add(MODEL, modelFiles());
    vi.stubEnv("HF_ENDPOINT", hub.endpoint);
    vi.stubEnv("HF_HOME", temporaryFolder("hub"));
    vi.stubEnv("REWARD_MODEL_SCORE_ADDON", addon);
    const { code } = await rejection(use({ model: MODEL }));
    return { code, requests: hub.requests.length };
  }

  // Before the other tests: an engine that is loaded stays.
  it.each(uses)("is not asked for where the addon does not load: %s", async (_, use) => {
    const found = await requestsWith(use, temporaryFolder("no-addon"));
    expect(found).toEqual({ code: "ERR_ADDON", requests: 0 });
  });

  it.each(uses)("is fetched where it does: %s", async (_, use) => {
    const { code, requests } = await requestsWith(use);
    expect(code).toBe("ERR_MODEL_CORRUPT"); // its weights are noise
    expect(requests).toBeGreaterThan(0);
  });
});

describe("what fails leaves nothing open", () => {
  const archive = fileURLToPath(new URL("../fixtures/classifiers/llama/model.pt", import.meta.url));
  const fail = () => {
    throw new RewardModelScoreError("ERR_BACKEND", "no", {});
  };

  it.each<[string, Partial<RewardModelScoreOptions>, Partial<NativeBinding>, string]>([
    ["a load for want of a tokenizer", { tokenizer: "./nowhere" }, {}, "ERR_NOT_FOUND"],
    ["a load for want of a device", { deviceMap: 63 }, {}, "ERR_DEVICE_UNAVAILABLE"],
    ["a load in the engine", {}, { loadProgram: fail }, "ERR_BACKEND"],
    ["a load in the engine, of an archive", { model: archive }, { loadArchive: fail }, "ERR_BACKEND"],
  ])("%s", async (_, options, changes, code) => {
    engine.changes = changes;
    const close = vi.spyOn(TokenizerPool.prototype, "close");
    const loading = openModel(resolveOptions({ model: DEMO_MODEL, ...options }), quiet);
    await expect(loading).rejects.toMatchObject({ code });
    expect(close).toHaveBeenCalledTimes(1);
    expect(engine.closings).toHaveLength(1);
    expect(engine.closings[0]).toHaveBeenCalledTimes(1);
  });

  it("an export", async () => {
    engine.changes = { exportProgram: fail };
    const output = join(temporaryFolder("export"), "model.pt");
    const saving = exportModel(resolveOptions({ model: DEMO_MODEL }), output, quiet);
    await expect(saving).rejects.toMatchObject({ code: "ERR_BACKEND" });
    expect(engine.closings).toHaveLength(1);
    expect(engine.closings[0]).toHaveBeenCalledTimes(1);
  });
});

it("a model that is loaded has let go of its files, and keeps its tokenizer", async () => {
  const close = vi.spyOn(TokenizerPool.prototype, "close");
  const model = await openModel(resolveOptions({ model: DEMO_MODEL }), quiet);
  expect(engine.closings).toHaveLength(1);
  expect(engine.closings[0]).toHaveBeenCalledTimes(1);
  expect(close).not.toHaveBeenCalled();
  await model.close();
  expect(close).toHaveBeenCalledTimes(1);
});
