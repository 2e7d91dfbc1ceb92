/** Where an adapter, its base and its tokenizer are found. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { RewardModelScore, type RewardModelScoreOptions } from "#lib/index.js";
import { DEMO_MODEL } from "#lib/demo.js";
import { startHub } from "../hub/support.js";
import { f32, writeSafetensors } from "../native/weights/safetensors-file.js";
import { tinyWeights } from "../parity/tiny-weights.js";
import { temporaryFolder } from "../temporary-folder.js";

const ROWS = [
  { instruction: "How much is 2+2?", response: "4" },
  { instruction: "How much is 2+2?", response: "Five." },
];
const HIDDEN = 96;

/** An adapter of the demo model. */
function writeAdapter(folder: string, change: Record<string, unknown> = {}): string {
  mkdirSync(folder, { recursive: true });
  const config = { peft_type: "LORA", r: 2, lora_alpha: 8, base_model_name_or_path: DEMO_MODEL, ...change };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
  const module = "base_model.model.model.layers.1.self_attn.v_proj";
  writeSafetensors(join(folder, "adapter_model.safetensors"), {
    [`${module}.lora_A.weight`]: f32([2, HIDDEN], tinyWeights("a", 2 * HIDDEN, 0, 7)),
    [`${module}.lora_B.weight`]: f32([HIDDEN, 2], tinyWeights("b", HIDDEN * 2, 0, 7)),
  });
  return folder;
}

const newAdapter = (change?: Record<string, unknown>) => writeAdapter(temporaryFolder("adapter"), change);

/** The demo model's weights and tokenizer, without its archive. */
function copyOfDemo(): string {
  const folder = temporaryFolder("base");
  cpSync(DEMO_MODEL, folder, { recursive: true });
  rmSync(join(folder, "model.pt"), { force: true });
  return folder;
}

type Options = Omit<RewardModelScoreOptions, "outputMappings">;

async function scores(options: Options): Promise<number[]> {
  await using step = new RewardModelScore(options);
  await step.load();
  return step.score(ROWS);
}

describe("an adapter", () => {
  it("is applied as the model, as an option on its base, and beside it", async () => {
    const adapter = newAdapter();
    const beside = writeAdapter(copyOfDemo());
    const applied = await scores({ model: adapter });
    expect(applied).not.toEqual(await scores({ model: "demo" }));
    expect(await scores({ model: "demo", adapter })).toEqual(applied);
    expect(await scores({ model: beside })).toEqual(applied);
    // Of a folder that holds its base too, as an option no more than the adapter counts.
    expect(await scores({ model: "demo", adapter: beside })).toEqual(applied);
  });

  it("is never left out where the base has an archive", async () => {
    const base = copyOfDemo();
    const config = JSON.parse(readFileSync(join(base, "config.json"), "utf8")) as object;
    const unknown = { ...config, architectures: ["UnknownModel"], model_type: "unknown" };
    writeFileSync(join(base, "config.json"), JSON.stringify(unknown));
    cpSync(join(DEMO_MODEL, "model.pt"), join(base, "model.pt"));
    await scores({ model: base });
    const code = "ERR_UNSUPPORTED_ARCHITECTURE";
    await expect(scores({ model: base, adapter: newAdapter() })).rejects.toMatchObject({ code });
    await expect(scores({ model: writeAdapter(base) })).rejects.toMatchObject({ code });
  });

  it("brings its tokenizer, if it has one", async () => {
    const adapter = newAdapter();
    const applied = await scores({ model: adapter });
    for (const file of ["tokenizer.json", "tokenizer_config.json"])
      cpSync(join(DEMO_MODEL, file), join(adapter, file));
    writeFileSync(
      join(adapter, "chat_template.jinja"),
      "{% for m in messages %}{{ m.content }}\n{% endfor %}",
    );
    const templated = await scores({ model: adapter });
    expect(templated).not.toEqual(applied);
    expect(await scores({ model: "demo", adapter })).toEqual(templated);
    expect(await scores({ model: adapter, tokenizer: DEMO_MODEL })).toEqual(applied);
  });
});

describe("is refused:", () => {
  it.each<[string, () => Options, string, RegExp]>([
    [
      "no base",
      () => ({ model: newAdapter({ base_model_name_or_path: null }) }),
      "ERR_MODEL_CONFIG",
      /names no base.*--adapter/,
    ],
    [
      "a folder of another machine",
      () => ({ model: newAdapter({ base_model_name_or_path: "/data/runs/17/base" }) }),
      "ERR_NOT_FOUND",
      /"\/data\/runs\/17\/base".*--adapter/,
    ],
    [
      "a name that is no repository's",
      () => ({ model: newAdapter({ base_model_name_or_path: "runs/17/base" }) }),
      "ERR_NOT_FOUND",
      /"runs\/17\/base"/,
    ],
    [
      "a base that is an adapter",
      () => ({ model: newAdapter({ base_model_name_or_path: newAdapter() }) }),
      "ERR_NOT_SUPPORTED",
      /adapter of its own.*merge_and_unload/,
    ],
    [
      "an adapter that is its own base",
      () => {
        const folder = temporaryFolder("adapter");
        return { model: writeAdapter(folder, { base_model_name_or_path: folder }) };
      },
      "ERR_NOT_SUPPORTED",
      /adapter of its own/,
    ],
    [
      "two adapters",
      () => ({ model: newAdapter(), adapter: newAdapter() }),
      "ERR_NOT_SUPPORTED",
      /adapter of its own/,
    ],
    [
      "two adapters, one beside its base",
      () => ({ model: writeAdapter(copyOfDemo()), adapter: newAdapter() }),
      "ERR_NOT_SUPPORTED",
      /adapter of its own/,
    ],
    [
      "an archive as the base",
      () => ({ model: join(DEMO_MODEL, "model.pt"), adapter: newAdapter() }),
      "ERR_NOT_SUPPORTED",
      /TorchScript archive/,
    ],
    [
      "a folder that is no adapter",
      () => ({ model: "demo", adapter: DEMO_MODEL }),
      "ERR_INVALID_OPTION",
      /no adapter_config\.json/,
    ],
    [
      "an adapter for another model",
      () => ({ model: "demo", adapter: "test/fixtures/adapters/lora" }),
      "ERR_WEIGHTS",
      /lora_A\.weight.*does not fit/,
    ],
    ["another kind", () => ({ model: newAdapter({ peft_type: "IA3" }) }), "ERR_NOT_SUPPORTED", /type IA3/],
  ])("%s", async (_what, options, code, message) => {
    await expect(scores(options())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe("on the Hub", () => {
  const filesOf = (folder: string, names: string[]) =>
    Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));

  it("an adapter is fetched with its base of the revision that it names, and nothing else", async () => {
    const hub = await startHub();
    const base = [
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "chat_template.jinja",
    ];
    const trained = hub.add("owner/base", { "README.md": "moved to v2" });
    trained.commit(filesOf(DEMO_MODEL, base), "v2");
    const adapter = newAdapter({ base_model_name_or_path: "owner/base", revision: "v2" });
    const own = filesOf(adapter, ["adapter_config.json", "adapter_model.safetensors"]);
    hub.add("owner/adapter", { ...own, "optimizer.pt": Buffer.alloc(64) });
    vi.stubEnv("HF_ENDPOINT", hub.endpoint);
    vi.stubEnv("HF_HOME", temporaryFolder("home"));
    try {
      const applied = await scores({ model: "owner/adapter" });
      expect(applied).toEqual(await scores({ model: "demo", adapter: newAdapter() }));
      expect(hub.downloads("optimizer.pt")).toEqual([]);
      // All of it is in the cache now.
      expect(await scores({ model: "owner/adapter", localFilesOnly: true })).toEqual(applied);
      expect(await scores({ model: "demo", adapter: "owner/adapter", localFilesOnly: true })).toEqual(
        applied,
      );
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
