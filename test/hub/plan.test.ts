import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planModel, planTokenizer } from "#lib/hub/plan.js";
import { locateModel } from "#lib/model/locate.js";
import { temporaryFolder } from "../temporary-folder.js";

/** Of a repository with these files; a file's text is by its name. */
const plan = (
  files: string[],
  { trustRemoteCode = false, texts = {} }: { trustRemoteCode?: boolean; texts?: Record<string, string> } = {},
) =>
  planModel("owner/model", files, {
    trustRemoteCode,
    readText: (path) => Promise.resolve(texts[path] ?? ""),
  });
const code = async (run: () => unknown): Promise<unknown> => {
  try {
    return await run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};
const indexOf = (...shards: unknown[]) =>
  JSON.stringify({ weight_map: Object.fromEntries(shards.map((shard, i) => [`tensor${i}`, shard])) });

const SAFETENSORS_INDEX = "model.safetensors.index.json";
const BIN_INDEX = "pytorch_model.bin.index.json";

describe("planModel", () => {
  it.each([
    [["model.safetensors", "pytorch_model.bin", "model.pt"], "safetensors", ["model.safetensors"]],
    [["model.safetensors", SAFETENSORS_INDEX, "pytorch_model.bin"], "safetensors", ["model.safetensors"]],
    [["pytorch_model.bin", "model.pt"], "bin", ["pytorch_model.bin"]],
    [["pytorch_model.bin", BIN_INDEX], "bin", ["pytorch_model.bin"]],
    [
      ["model.safetensors", "value_head.safetensors"],
      "safetensors",
      ["model.safetensors", "value_head.safetensors"],
    ],
    [["pytorch_model.bin", "value_head.bin"], "bin", ["pytorch_model.bin", "value_head.bin"]],
    [["pytorch_model.bin", "value_head.safetensors"], "bin", ["pytorch_model.bin", "value_head.safetensors"]],
    [["model.safetensors", "value_head.bin"], "safetensors", ["model.safetensors", "value_head.bin"]],
    [["model.safetensors", "classifier.pt"], "safetensors", ["model.safetensors", "classifier.pt"]],
  ])("of %j takes %s: %j", async (files, form, paths) => {
    expect(await plan([...files, "config.json"])).toEqual({ form, paths: [...paths, "config.json"] });
  });

  it("takes the shards of the index, safetensors before .bin, whole or not", async () => {
    const files = ["config.json", SAFETENSORS_INDEX, BIN_INDEX, "w/a.safetensors", "b.safetensors", "c.bin"];
    const texts = {
      [SAFETENSORS_INDEX]: indexOf("b.safetensors", "w/a.safetensors", "b.safetensors"),
      [BIN_INDEX]: indexOf("c.bin"),
    };
    const shards = ["b.safetensors", "w/a.safetensors"];
    const expected = { form: "safetensors", paths: [SAFETENSORS_INDEX, ...shards, "config.json"] };
    expect(await plan(files, { texts })).toEqual(expected);
    expect(await plan([...files, "pytorch_model.bin"], { texts })).toEqual(expected);
    const withHead = await plan([...files, "pytorch_model.bin", "value_head.safetensors"], { texts });
    expect(withHead.paths).toEqual([SAFETENSORS_INDEX, ...shards, "value_head.safetensors", "config.json"]);
  });

  it("puts config.json last, so that a snapshot that has it is complete", async () => {
    const { paths } = await plan(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(paths.at(-1)).toBe("config.json");
  });

  it("takes the archive only where there is nothing else, and only when it is trusted", async () => {
    expect(await code(() => plan(["model.pt", "config.json"]))).toBe("ERR_UNTRUSTED_CODE");
    expect(await plan(["model.pt", "tokenizer.json"], { trustRemoteCode: true })).toEqual({
      form: "torchscript",
      paths: ["tokenizer.json", "model.pt"],
    });
    const both = ["model.pt", "model.safetensors", "config.json"];
    expect((await plan(both, { trustRemoteCode: true })).form).toBe("safetensors");
  });

  it("needs a config beside the weights", async () => {
    expect(await code(() => plan(["model.safetensors"]))).toBe("ERR_MODEL_CONFIG");
  });
});

/** The same files in a folder, beside which there is a shard that is not the model's. */
function write(files: string[], texts: Record<string, string> = {}): string {
  const folder = join(temporaryFolder("model-files"), "model");
  mkdirSync(folder);
  writeFileSync(join(folder, "../a.safetensors"), "");
  for (const file of files) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), texts[file] ?? "");
  }
  return folder;
}

describe("a repository and a folder with the same files", () => {
  const weights = [
    "model.safetensors",
    "pytorch_model.bin",
    "value_head.safetensors",
    "value_head.bin",
    "model.pt",
  ];
  const indexes = [SAFETENSORS_INDEX, BIN_INDEX];
  const adapters = ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"];
  const shards = ["a.safetensors", "w/b.safetensors", "w/x/c.safetensors", "a.bin", "w/b.bin"];
  const outside = [
    "../a.safetensors",
    "/etc/a.safetensors",
    "w/../a.safetensors",
    "w\\b.bin",
    "",
    "config.json",
    "w",
  ];
  const folders = [
    "model.safetensors/x",
    "pytorch_model.bin/x",
    "value_head.safetensors/x",
    "a.safetensors/x",
  ];
  const someOf = (names: string[]) => fc.subarray(names);
  const index = fc.oneof(
    fc
      .array(fc.constantFrom(...shards, ...shards, ...outside), { maxLength: 4 })
      .map((names) => indexOf(...names)),
    fc.constantFrom("", "[]", "null", "{}", '{"weight_map": 3}', indexOf(5), indexOf("a.safetensors", null)),
  );

  it("are the same model: what is fetched is what is loaded, and what is refused is refused in both", async () => {
    const property = fc.asyncProperty(
      fc.tuple(someOf(weights), someOf(indexes), someOf(shards)).map((parts) => parts.flat()),
      someOf(folders),
      fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: someOf(adapters) }),
      index,
      index,
      fc.constantFrom(JSON.stringify({ peft_type: "LORA", r: 8, lora_alpha: 16 }), '{"peft_type": "IA3"}'),
      async (names, folders, adapter, first, second, adapterConfig) => {
        const below = folders.filter((path) => !names.includes(dirname(path)));
        const files = ["config.json", "tokenizer.json", ...names, ...below, ...adapter];
        const texts = {
          [SAFETENSORS_INDEX]: first,
          [BIN_INDEX]: second,
          "adapter_config.json": adapterConfig,
        };
        const folder = write(files, texts);
        const load = (from: string) =>
          code(async () => {
            const { weights, archive, adapter } = await locateModel(from);
            const all = [...weights, ...(adapter?.weights ?? [])];
            const paths = all.length > 0 ? all : [archive!];
            return paths.map((path) => path.slice(from.length + 1));
          });
        const planned = await code(() => plan(files, { texts, trustRemoteCode: true }));
        if (typeof planned === "string") {
          expect(await load(folder)).toBe(planned);
        } else {
          const { paths } = planned as Awaited<ReturnType<typeof plan>>;
          const fetched = paths.filter((path) => /\.(safetensors|bin|pt)$/.test(path));
          expect(await load(folder)).toEqual(fetched);
          const snapshot = write(paths, texts);
          expect(await load(snapshot)).toEqual(fetched);
          rmSync(snapshot, { recursive: true });
        }
        rmSync(folder, { recursive: true });
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  it.each([
    ["", "[]", "null", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}'],
    [
      "gone.safetensors",
      "../a.safetensors",
      "/a.safetensors",
      "w/../a.safetensors",
      "a.bin",
      "config.json",
    ].map((shard) => indexOf("a.safetensors", shard)),
  ])("refuse an index that is damaged or names what is not there", async (...texts) => {
    const files = ["config.json", SAFETENSORS_INDEX, "a.safetensors", "a.bin"];
    for (const text of texts) {
      const index = { [SAFETENSORS_INDEX]: text };
      const refusal = { code: "ERR_MODEL_CORRUPT", details: { path: SAFETENSORS_INDEX } };
      await expect(plan(files, { texts: index }), text).rejects.toMatchObject(refusal);
      await expect(locateModel(write(files, index)), text).rejects.toMatchObject(refusal);
    }
  });

  it.each<[string[], string, RegExp]>([
    [["model-q8_0.gguf"], "GGUF", /GGUF \(model-q8_0\.gguf\).*converted from/],
    [["weights.npz"], "MLX", /MLX/],
    [["onnx/model.onnx", "model.onnx_data"], "ONNX", /ONNX \(onnx\/model\.onnx\)/],
    [["openvino_model.xml", "openvino_model.bin"], "OpenVINO", /OpenVINO/],
    [["Model.mlpackage/Manifest.json"], "Core ML", /Core ML/],
    [["tf_model.h5"], "TensorFlow", /TensorFlow.*from_tf=True/],
    [["flax_model.msgpack"], "Flax", /Flax.*from_flax=True/],
    [["rust_model.ot"], "rust-bert", /rust-bert/],
    [["tf_model.h5", "onnx/model.onnx"], "TensorFlow", /TensorFlow \(tf_model\.h5\) and ONNX/],
    [["consolidated.00.pth", "params.json"], "consolidated", /consolidated weights.*Meta/],
    [["original/consolidated.00.pth"], "consolidated", /original\/consolidated/],
    [["consolidated-00001-of-00002.safetensors"], "consolidated", /Mistral/],
    [["global_step9/mp_rank_00_model_states.pt"], "DeepSpeed", /DeepSpeed.*zero_to_fp32\.py/],
    [["pytorch_model_fsdp_0/__0_0.distcp"], "FSDP", /FSDP.*merge-weights/],
  ])("refuse %j by name", async (others, name, message) => {
    const files = ["config.json", "tokenizer.json", ...others];
    const refusal = {
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringMatching(message) as string,
      details: { feature: expect.stringContaining(name) as string },
    };
    await expect(plan(files)).rejects.toMatchObject(refusal);
    await expect(locateModel(write(files))).rejects.toMatchObject(refusal);
    // Beside weights they are another copy.
    const whole = [...files, "model.safetensors"];
    expect((await plan(whole)).form).toBe("safetensors");
    expect((await locateModel(write(whole))).weights).toHaveLength(1);
  });

  it("say what is there where there is nothing to load", async () => {
    const files = ["config.json", "model-00001-of-00002.safetensors", "notes.txt"];
    const refusal = {
      code: "ERR_NOT_FOUND",
      message: expect.stringMatching(
        /none of model\.safetensors,.*It has model-00001-of-00002\.safetensors\.$/,
      ) as string,
    };
    await expect(plan(files)).rejects.toMatchObject(refusal);
    await expect(locateModel(write(files))).rejects.toMatchObject(refusal);
    await expect(plan(["config.json"])).rejects.toThrow(/model\.pt\.$/);
  });
  const lora = { peft_type: "LORA", r: 8, lora_alpha: 16, base_model_name_or_path: "o/base" };

  it.each([
    [["model.safetensors", "config.json"], { ...lora, peft_type: "IA3" }, /IA3 for "o\/base"/],
    [[], { peft_type: "IA3", base_model_name_or_path: null }, /IA3.*merge_and_unload/],
    [[], { peft_type: "LOHA" }, /LOHA.*merge_and_unload/],
    [[], { peft_type: "LOKR" }, /LOKR.*merge_and_unload/],
    [[], { peft_type: "ADALORA" }, /ADALORA.*merge_and_unload/],
    [[], { ...lora, target_parameters: ["mlp.experts.down_proj"] }, /target_parameters.*"o\/base"/],
    [[], { ...lora, trainable_token_indices: [3] }, /trainable_token_indices/],
    [[], { ...lora, layer_replication: [[0, 4]] }, /layer_replication/],
    [[], { ...lora, use_qalora: true }, /QALoRA/],
    [[], { ...lora, alora_invocation_tokens: [1, 2] }, /activated LoRA/],
    [[], { ...lora, init_lora_weights: "pissa_niter_16" }, /changed its base.*pissa_niter_16/],
    [["config.json"], { peft_type: "PROMPT_TUNING" }, /PROMPT_TUNING.*cannot be merged/],
    [
      ["model.safetensors"],
      { config: { architecture: "prefix_tuning" }, model_name: "b" },
      /prefix_tuning.*"b"/,
    ],
    [
      ["pytorch_model.bin", "model.pt"],
      { peft_type: 5 },
      /an adapter of an unknown type in adapter_config\.json/,
    ],
  ])("refuse an adapter beside %j by name: %j", async (beside, config, message) => {
    const texts = { "adapter_config.json": JSON.stringify(config) };
    const files = [...beside, "adapter_config.json"];
    const refusal = { code: "ERR_NOT_SUPPORTED", message: expect.stringMatching(message) as string };
    await expect(plan(files, { texts })).rejects.toMatchObject(refusal);
    await expect(locateModel(write(files, texts))).rejects.toMatchObject(refusal);
  });

  it.each([
    "[]",
    "not JSON",
    ...[
      { r: 0 },
      { r: -1 },
      { r: 2.5 },
      { r: "8" },
      { r: null },
      { r: 2 ** 30 },
      { lora_alpha: "16" },
      { rank_pattern: { q_proj: 0 } },
      { alpha_pattern: { q_proj: "16" } },
      { use_dora: "yes" },
      { base_model_name_or_path: 5 },
    ].map((change) => JSON.stringify({ ...lora, ...change })),
    JSON.stringify(lora).replace("16", "NaN"),
    JSON.stringify(lora).replace("16", "Infinity"),
  ])("refuse a config of an adapter that is none: %s", async (config) => {
    const files = ["model.safetensors", "config.json", "adapter_config.json", "adapter_model.safetensors"];
    const texts = { "adapter_config.json": config };
    expect(await code(() => plan(files, { texts }))).toBe("ERR_MODEL_CONFIG");
    expect(await code(() => locateModel(write(files, texts)))).toBe("ERR_MODEL_CONFIG");
  });

  it("have an adapter beside its base, or alone, with its head and the config last", async () => {
    const texts = { "adapter_config.json": JSON.stringify(lora) };
    const adapter = [
      "adapter_config.json",
      "adapter_model.safetensors",
      "adapter_model.bin",
      "tokenizer.json",
    ];
    const beside = await plan([...adapter, "model.safetensors", "config.json"], { texts });
    expect(beside).toEqual({
      form: "safetensors",
      paths: [
        "tokenizer.json",
        "model.safetensors",
        "adapter_model.safetensors",
        "adapter_config.json",
        "config.json",
      ],
    });
    // TRL saves the head of an adapted model as if it were the model.
    for (const head of [["value_head.bin"], ["pytorch_model.bin"], ["model.safetensors", "classifier.pt"]]) {
      const files = [...adapter, ...head];
      expect(await plan(files, { texts })).toEqual({
        form: "adapter",
        paths: ["tokenizer.json", "adapter_model.safetensors", ...head, "adapter_config.json"],
      });
      const folder = write(files, texts);
      const { weights, adapter: found } = await locateModel(folder);
      expect(weights).toEqual([]);
      expect(found).toMatchObject({
        base: "o/base",
        directory: folder,
        weights: ["adapter_model.safetensors", ...head].map((file) => join(folder, file)),
      });
    }
    const alone = ["adapter_config.json", "tokenizer.json"];
    expect(await code(() => plan(alone, { texts }))).toBe("ERR_NOT_FOUND");
    expect(await code(() => locateModel(write(alone, texts)))).toBe("ERR_NOT_FOUND");
  });

  it.each(["adapter_model.safetensors", "adapter_model.bin", "pytorch_adapter.bin"])(
    "refuse %s without its config",
    async (file) => {
      for (const beside of [[], ["model.safetensors", "config.json"]]) {
        expect(await code(() => plan([...beside, file]))).toBe("ERR_NOT_SUPPORTED");
        expect(await code(() => locateModel(write([...beside, file])))).toBe("ERR_NOT_SUPPORTED");
      }
    },
  );

  it("have an archive that is whole by itself, whatever adapter is beside it", async () => {
    const files = ["model.pt", "adapter_config.json"];
    expect((await plan(files, { trustRemoteCode: true })).paths).toEqual(["model.pt"]);
    const folder = write(files);
    expect((await locateModel(folder)).archive).toBe(join(folder, "model.pt"));
  });
});

describe("the tokenizer's files", () => {
  it("are tokenizer.json with settings and templates, without what says the same again", () => {
    const files = [
      "tokenizer.json",
      "tokenizer.model",
      "vocab.json",
      "merges.txt",
      "special_tokens_map.json",
      "chat_template.jinja",
      "additional_chat_templates/rag.jinja",
      "additional_chat_templates/deeper/x.jinja",
      "README.md",
    ];
    expect(planTokenizer("owner/model", files)).toEqual([
      "tokenizer.json",
      "special_tokens_map.json",
      "chat_template.jinja",
      "additional_chat_templates/rag.jinja",
    ]);
  });

  it("are the older vocabularies where there is no tokenizer.json", () => {
    expect(planTokenizer("owner/model", ["vocab.json", "merges.txt"])).toEqual(["vocab.json", "merges.txt"]);
    expect(() => planTokenizer("owner/model", ["config.json"])).toThrow("has no tokenizer");
  });
});
