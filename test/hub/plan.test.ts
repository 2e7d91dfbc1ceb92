import { describe, expect, it } from "vitest";
import { planModel, planTokenizer, weightsIndex } from "#lib/hub/plan.js";

const plan = (files: string[], options: { trustRemoteCode?: boolean; index?: string } = {}) =>
  planModel("owner/model", files, { trustRemoteCode: false, ...options });
const code = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

describe("planModel", () => {
  it.each([
    [["model.safetensors", "pytorch_model.bin", "model.pt"], "safetensors", ["model.safetensors"]],
    [
      ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"],
      "safetensors",
      ["model.safetensors"],
    ],
    [["pytorch_model.bin", "model.pt"], "bin", ["pytorch_model.bin"]],
    [
      ["model.safetensors", "value_head.safetensors"],
      "safetensors",
      ["model.safetensors", "value_head.safetensors"],
    ],
    [["pytorch_model.bin", "value_head.bin"], "bin", ["pytorch_model.bin", "value_head.bin"]],
  ])("of %j takes %s: %j", (files, form, paths) => {
    expect(plan([...files, "config.json"])).toEqual({ form, paths: [...paths, "config.json"] });
  });

  it("takes the shards of the index, safetensors before .bin", () => {
    const files = [
      "config.json",
      "model.safetensors.index.json",
      "pytorch_model.bin.index.json",
      "a.safetensors",
      "b.safetensors",
      "c.bin",
    ];
    expect(weightsIndex(files)).toBe("model.safetensors.index.json");
    const index = JSON.stringify({
      weight_map: { x: "b.safetensors", y: "a.safetensors", z: "b.safetensors" },
    });
    expect(plan(files, { index }).paths).toEqual([
      "model.safetensors.index.json",
      "a.safetensors",
      "b.safetensors",
      "config.json",
    ]);
  });

  it("puts config.json last, so that a snapshot that has it is complete", () => {
    expect(plan(["config.json", "model.safetensors", "tokenizer.json"]).paths.at(-1)).toBe("config.json");
  });

  it.each(["", "[]", "null", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "gone.safetensors"}}'])(
    "refuses the index %j",
    (index) => {
      const files = ["config.json", "model.safetensors.index.json"];
      expect(code(() => plan(files, { index }))).toBe("ERR_MODEL_CORRUPT");
    },
  );

  it("takes the archive only where there is nothing else, and only when it is trusted", () => {
    expect(code(() => plan(["model.pt", "config.json"]))).toBe("ERR_UNTRUSTED_CODE");
    expect(plan(["model.pt", "tokenizer.json"], { trustRemoteCode: true })).toEqual({
      form: "torchscript",
      paths: ["tokenizer.json", "model.pt"],
    });
    expect(plan(["model.pt", "model.safetensors", "config.json"], { trustRemoteCode: true }).form).toBe(
      "safetensors",
    );
  });

  it("says what is there when there is nothing to load", () => {
    expect(() => plan(["config.json", "model-q8.gguf"])).toThrow(/no weights.*model-q8\.gguf/);
    expect(code(() => plan(["config.json", "adapter_model.safetensors"]))).toBe("ERR_NOT_FOUND");
    expect(code(() => plan(["model.safetensors"]))).toBe("ERR_MODEL_CONFIG");
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
    expect(code(() => planTokenizer("owner/model", ["config.json"]))).toBe("ERR_TOKENIZER");
  });
});
