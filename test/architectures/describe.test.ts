import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { families } from "#lib/architectures/families/index.js";
import { supportedArchitectures } from "#lib/architectures/find-class.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { ErrorCode } from "#lib/errors.js";
import { fixtureNames, readFixture, tensorInfos, type ArchitectureFixture } from "../parity/fixtures.js";

/** A copy of a fixture's config with some keys changed. */
function describeWith(name: string, changes: Record<string, unknown>, fixture = readFixture(name)) {
  return describeArchitecture({ config: { ...fixture.config, ...changes }, tensors: tensorInfos(fixture) });
}

function failure(run: () => unknown): RewardModelScoreError {
  try {
    run();
  } catch (error) {
    if (RewardModelScoreError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function expectCode(run: () => unknown, code: ErrorCode, message: RegExp) {
  const error = failure(run);
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
}

function without(fixture: ArchitectureFixture, tensor: string): ArchitectureFixture {
  const tensors = Object.fromEntries(Object.entries(fixture.tensors).filter(([name]) => name !== tensor));
  return { ...fixture, tensors };
}

describe("describeArchitecture", () => {
  it.each(fixtureNames)("%s: stages are named like the modules of transformers", (name) => {
    const { spec } = describeWith(name, {});
    const names = spec.stages.map((stage) => stage.name);
    const modules = Object.keys(readFixture(name).tensors);
    // RoPE and some norms have no weights, and are in no checkpoint.
    const withWeights = spec.stages.filter(({ weights }) => Object.values(weights).some((weight) => weight));
    for (const { name: stage } of withWeights) {
      const gated = stage === "score" && spec.stages.at(-1)!.weights.regression !== undefined;
      expect(gated || modules.some((tensor) => tensor.startsWith(`${stage}.`)), stage).toBe(true);
    }
    expect(new Set(names).size).toBe(names.length);
  });

  it("lists the tensors that nothing reads, without buffers that are computed", () => {
    const fixture = readFixture("llama-grouped");
    const buffers = [
      "self_attn.rotary_emb.inv_freq",
      "attn.bias",
      "attn.masked_bias",
      "attention.masked_bias",
    ];
    const extra = ["lm_head.weight", ...buffers.map((name) => `model.layers.0.${name}`)];
    const tensors = [
      ...tensorInfos(fixture),
      ...extra.map((name) => ({ name, shape: [1], dtype: "F32", file: 0 })),
    ];
    const { unusedTensors } = describeArchitecture({ config: fixture.config, tensors });
    expect(unusedTensors).toEqual(["lm_head.weight"]);
  });

  it("GPT-2's first checkpoints have no prefix", () => {
    const fixture = readFixture("gpt2");
    const tensors = Object.fromEntries(
      Object.entries(fixture.tensors).map(([name, recipe]) => [name.replace("transformer.", ""), recipe]),
    );
    const { spec, unusedTensors } = describeWith("gpt2", {}, { ...fixture, tensors });
    expect(spec.stages.map((stage) => stage.name)).toEqual(["wte", "wpe", "h.0", "h.1", "ln_f", "score"]);
    expect(unusedTensors).toEqual([]);
  });

  it("takes the number of labels from the head, not from the config", () => {
    expect(describeWith("llama-one-layer-three-labels", { num_labels: 1 }).labels).toBe(3);
    expect(describeWith("llama-grouped", { num_labels: 2 }).labels).toBe(1);
  });

  it("names labels only if the config does", () => {
    const names = { 0: "honest", 1: "helpful", 2: "brief" };
    expect(describeWith("llama-one-layer-three-labels", { id2label: names }).labelNames).toEqual(
      Object.values(names),
    );
    expect(describeWith("llama-grouped", { id2label: { 0: "LABEL_0" } }).labelNames).toBeUndefined();
  });

  it.each([
    [{ dtype: "bfloat16" }, "bfloat16"],
    [{ torch_dtype: "float16" }, "float16"],
    [{ torch_dtype: "torch.bfloat16" }, "bfloat16"],
    [{}, "float32"],
  ])("reads the checkpoint's dtype: %j", (changes, dtype) => {
    expect(describeWith("llama-grouped", changes).dtype).toBe(dtype);
  });

  it("names the 19 attributes of ArmoRM", () => {
    const { attributeNames, labels } = describeWith("armorm", {});
    expect(attributeNames).toHaveLength(19);
    expect(attributeNames![0]).toBe("helpsteer-helpfulness");
    expect(labels).toBe(1);
  });

  it("knows the token that InternLM2's rows end with", () => {
    expect(describeWith("internlm2", {}).finalTokenId).toBe(63);
    expectCode(
      () => describeWith("internlm2", { reward_token_id: null }),
      "ERR_MODEL_CONFIG",
      /reward_token_id/,
    );
  });

  it("finds a trunk below another prefix", () => {
    const fixture = readFixture("llama-grouped");
    const tensors = tensorInfos(fixture).map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/^model\./, "transformer."),
    }));
    const { spec } = describeArchitecture({ config: fixture.config, tensors });
    expect(spec.stages[0]!.name).toBe("transformer.embed_tokens");
  });

  it.each([
    ["gemma3-multimodal", "language_model.model."],
    ["gemma3-multimodal-module-names", "model.language_model."],
  ])("reads the text model's part of a multimodal checkpoint: %s", (name, prefix) => {
    const fixture = readFixture(name);
    const tensors = tensorInfos(fixture);
    const {
      spec,
      name: className,
      unusedTensors,
    } = describeArchitecture({
      config: fixture.config,
      tensors,
    });
    expect(className).toBe("Gemma3ForSequenceClassification");
    expect(spec.stages[0]!.name).toBe(`${prefix}embed_tokens`);
    const others = tensors
      .map((tensor) => tensor.name)
      .filter((tensor) => /vision_tower|multi_modal/.test(tensor));
    expect(others.length).toBeGreaterThan(10);
    expect(unusedTensors).toEqual(others);
  });

  it.each([
    [
      { mean: -1.25, std: 2.5 },
      { mean: -1.25, std: 2.5 },
    ],
    [{ mean: null, std: null }, undefined],
    [{ mean: NaN, std: 1 }, undefined],
    [{ mean: 0, std: Infinity }, undefined],
    [{ mean: [0.5], std: [0.5], var: "none" }, undefined],
  ])("knows OpenRLHF's statistics of the rewards: %j", (changes, expected) => {
    const { statistics, warnings } = describeWith("llama-grouped", {
      architectures: ["RewardModel"],
      ...changes,
    });
    expect([statistics, warnings]).toEqual([expected, []]);
  });

  it.each([
    [null, "llama"],
    [undefined, "llama"],
    [[], "llama"],
    [["LlamaModel"], "llama"],
    [["LlamaModel"], null],
  ])("says what it concluded where the config names no class: %j of type %j", (architectures, model_type) => {
    const { name, warnings } = describeWith("llama-grouped", { architectures, model_type });
    const given = JSON.stringify(architectures ?? null);
    expect(name).toBe("LlamaForSequenceClassification");
    expect(warnings).toEqual([
      expect.stringContaining(`(architectures: ${given}). By its model_type ${JSON.stringify(model_type)}`),
    ]);
    expect(warnings[0]).toMatch(/"score" it is scored as LlamaForSequenceClassification/);
  });

  it("says so of a value head too, and nothing where a class is named", () => {
    expect(describeWith("trl-value-head", { architectures: null }).warnings).toEqual([
      expect.stringMatching(
        /"v_head\.summary" it is scored as a value head on \w+, which reads the last token/,
      ),
    ]);
    for (const architectures of [["LlamaForCausalLM"], ["RewardModel"]])
      expect(describeWith("llama-grouped", { architectures }).warnings).toEqual([]);
  });

  it("says that a bias is not added which the classifier of transformers has not", () => {
    const fixture = readFixture("llama-grouped");
    const bias = { name: "module.score.bias", shape: [1], dtype: "F32", file: 0 };
    const tensors = [...tensorInfos(fixture), bias];
    const { warnings, unusedTensors, spec } = describeArchitecture({ config: fixture.config, tensors });
    expect(warnings).toEqual([expect.stringMatching(/module\.score\.bias is not added/)]);
    expect(unusedTensors).toEqual([bias.name]);
    expect(JSON.stringify(spec.stages.at(-1))).not.toContain("score.bias");
    expect(describeWith("inf-orm", {}).warnings).toEqual([]);
  });

  it("takes a head by the name that OpenRLHF's config gives it", () => {
    const fixture = readFixture("llama-grouped");
    const tensors = tensorInfos(fixture).map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/^score\./, "my_head."),
    }));
    const config = { ...fixture.config, architectures: ["RewardModel"] };
    const described = describeArchitecture({ config: { ...config, value_head_prefix: "my_head" }, tensors });
    expect([described.spec.stages.at(-1)!.name, described.pooling.rule]).toEqual(["my_head", "last"]);
    expectCode(
      () => describeArchitecture({ config, tensors }),
      "ERR_UNSUPPORTED_ARCHITECTURE",
      /no value head/,
    );
  });

  it("goes by the class's name where a config has no model_type", () => {
    const { name, pooling } = describeWith("qwen3", {
      model_type: null,
      architectures: ["Qwen3ForCausalLM"],
    });
    expect([name, pooling.rule]).toEqual(["Qwen3ForSequenceClassification", "hf"]);
  });

  it("separates rows that RoPE rotates differently", () => {
    const short = describeWith("llama-grouped", {}).ropeClass;
    expect(short(1)).toBe(short(1_000_000));
    const dynamic = describeWith("llama-rope-dynamic", {}).ropeClass;
    expect(dynamic(3)).toBe(dynamic(16));
    expect(new Set([16, 17, 18].map(dynamic)).size).toBe(3);
    const long = describeWith("llama-rope-longrope", {}).ropeClass;
    expect(long(2)).toBe(long(24));
    expect(long(25)).toBe(long(90));
    expect(long(24)).not.toBe(long(25));
  });
});

/** With other names of the tensors. */
function renamed(name: string, rename: (tensor: string) => string) {
  const fixture = readFixture(name);
  const tensors = tensorInfos(fixture).map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
  return describeArchitecture({ config: fixture.config, tensors });
}

describe("prefixes that trainers leave", () => {
  const wrappers = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module."];
  const outer = ["module.", "base_model.model.", "pretrained_model.", ...wrappers];

  it.each(outer)("%s alone gives the same program, which reads the tensors as they are called", (prefix) => {
    const { spec, unusedTensors } = renamed("llama-grouped", (tensor) => prefix + tensor);
    expect(unusedTensors).toEqual([]);
    expect(spec.stages.map(({ name }) => name)).toEqual(
      describeWith("llama-grouped", {}).spec.stages.map(({ name }) => name),
    );
  });

  it("give the same program in any nesting", () => {
    const property = fc.property(
      fc.constantFrom("qwen3", "mixtral", "armorm", "internlm2", "trl-value-head"),
      fc.array(fc.constantFrom(...outer), { maxLength: 4 }),
      fc.array(fc.constantFrom("", ...wrappers), { minLength: 3, maxLength: 3 }),
      (name, prefixes, [layer, block, last]) => {
        const own = new Map<string, string>();
        const wrapped = renamed(name, (tensor) => {
          const inner = tensor
            .replace(/(layers\.\d+\.)/, `$1${layer}`)
            .replace(/(mlp\.|attention\.|self_attn\.)/, `$1${block}`)
            .replace(/([^.]+)$/, `${last}$1`);
          own.set(prefixes.join("") + inner, tensor);
          return prefixes.join("") + inner;
        });
        const spec: unknown = JSON.parse(JSON.stringify(wrapped.spec), (key, value: unknown) =>
          key === "tensor" ? own.get(value as string) : value,
        );
        const plain = describeWith(name, {});
        expect(spec).toEqual(JSON.parse(JSON.stringify(plain.spec)));
        expect(wrapped.unusedTensors.map((tensor) => own.get(tensor))).toEqual(plain.unusedTensors);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it("may be on a part of the tensors", () => {
    const { spec } = renamed("trl-value-head", (tensor) =>
      tensor.startsWith("v_head") ? tensor : `pretrained_model.${tensor}`,
    );
    expect(spec.stages.at(-1)!.name).toBe("v_head.summary");
  });

  it.each([
    ["model. once too often", "llama-grouped", (name: string) => `model.${name}`],
    ["model. once too often, below a wrapper", "armorm", (name: string) => `module.model.${name}`],
    ["model. once too often on an MLP head", "inf-orm", (name: string) => `model.${name}`],
    ["model. once too often on a value head", "trl-value-head", (name: string) => `model.${name}`],
    ["model. only on the head", "llama-grouped", (name: string) => name.replace(/^score/, "model.score")],
    [
      "a module that PEFT trained whole",
      "llama-grouped",
      (name: string) => `base_model.model.${name}`.replace(".score.", ".score.modules_to_save.default."),
    ],
    [
      "an MLP that PEFT trained whole",
      "inf-orm",
      (name: string) => name.replace(/^score\./, "score.modules_to_save.default."),
    ],
  ])("give the same stages: %s", (_what, name, rename) => {
    const { spec, unusedTensors } = renamed(name, rename);
    expect(unusedTensors).toEqual([]);
    expect(spec.stages.map((stage) => stage.name)).toEqual(
      describeWith(name, {}).spec.stages.map((stage) => stage.name),
    );
  });

  it("leave a trunk that was saved without its own prefix, and its head", () => {
    const { spec, unusedTensors } = renamed("llama-grouped", (name) => name.replace(/^model\./, ""));
    expect(unusedTensors).toEqual([]);
    expect([spec.stages[0]!.name, spec.stages.at(-1)!.name]).toEqual(["embed_tokens", "score"]);
  });

  it.each(["model.", "language_model.", "model.language_model."])(
    "find the head of a multimodal model that trainers hung below %s",
    (prefix) => {
      const fixture = readFixture("gemma3-multimodal");
      const plain = describeWith("gemma3-multimodal", {});
      const nested = renamed("gemma3-multimodal", (name) => name.replace(/^score\./, `${prefix}score.`));
      expect(nested.spec.stages.at(-1)!.name).toBe("score");
      expect(nested.unusedTensors).toEqual(plain.unusedTensors);
      expect(fixture.tensors).toHaveProperty(["score.weight"]);
    },
  );

  it("never read what PEFT kept of a module from before it was trained, and tell it", () => {
    const fixture = readFixture("llama-grouped");
    const [head] = tensorInfos(fixture).filter(({ name }) => name === "score.weight");
    const tensors = [
      ...tensorInfos(fixture).filter((tensor) => tensor.name !== head!.name),
      { ...head!, name: "score.original_module.weight" },
      { ...head!, name: "score.modules_to_save.default.weight" },
    ];
    const described = describeArchitecture({ config: fixture.config, tensors });
    expect(described.unusedTensors).toEqual(["score.original_module.weight"]);
    expect(described.spec.stages.at(-1)!.weights.layers).toMatchObject([
      { parts: [{ tensor: "score.modules_to_save.default.weight" }] },
    ]);
    const alone = tensors.filter(({ name }) => !name.includes("modules_to_save"));
    expectCode(
      () => describeArchitecture({ config: fixture.config, tensors: alone }),
      "ERR_WEIGHTS",
      /no tensor "score\.weight"|no head/,
    );
  });

  it.each(["value_head", "classifier"])("are those of the file %s for a head that has none", (file) => {
    const fixture = readFixture("trl-value-head");
    const tensors = tensorInfos(fixture).map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/^v_head\.summary\./, `${file}:`),
    }));
    const { spec, unusedTensors } = describeArchitecture({ config: fixture.config, tensors });
    expect([spec.stages.at(-1)!.name, unusedTensors]).toEqual([file, []]);
  });

  it("are refused where they make two tensors one", () => {
    const fixture = readFixture("llama-grouped");
    const tensors = tensorInfos(fixture);
    const twin = { ...tensors.at(-1)!, name: `_orig_mod.${tensors.at(-1)!.name}` };
    const run = () => describeArchitecture({ config: fixture.config, tensors: [...tensors, twin] });
    expectCode(
      run,
      "ERR_WEIGHTS",
      /"score\.weight" twice, as "score\.weight" and as "_orig_mod\.score\.weight"/,
    );
  });

  it.each(["LlamaForSequenceClassification", "LlamaForCausalLM"])(
    "are named where they are not known: %s",
    (architecture) => {
      const fixture = readFixture("llama-grouped");
      const tensors = tensorInfos(fixture).map((tensor) => ({ ...tensor, name: `policy.${tensor.name}` }));
      const config = { ...fixture.config, architectures: [architecture] };
      expect(failure(() => describeArchitecture({ config, tensors })).message).toContain(
        '"policy.score.weight"',
      );
    },
  );

  it.each([
    "model.layers.0.self_attn.q_proj.base_layer.weight",
    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
  ])("of an adapter that was not merged are refused: %s", (name) => {
    const fixture = readFixture("llama-grouped");
    const tensors = [...tensorInfos(fixture), { name, shape: [1], dtype: "F32", file: 0 }];
    const run = () => describeArchitecture({ config: fixture.config, tensors });
    expectCode(run, "ERR_NOT_SUPPORTED", /merge_and_unload/);
  });
});

it.each([
  ["bert", true],
  ["roberta", true],
  ["electra", true],
  ["distilbert", false],
  ["albert", false],
  ["deberta-v3", false],
  ["mpnet", false],
])("is_decoder makes a causal model of %s: %s", (name, causal) => {
  expect(describeWith(name, { is_decoder: true }).causal).toBe(causal);
});

describe("describeArchitecture refuses", () => {
  it.each(["AutoModelForSequenceClassification", "AutoModel"])(
    "a repository whose own code computes the score, as %s",
    (key) => {
      const own = {
        architectures: ["Qwen2ForMyReward"],
        auto_map: { [key]: "o/m--modeling.Qwen2ForMyReward" },
      };
      const changes = { ...own, model_type: "qwen2" };
      expectCode(
        () => describeWith("qwen2", changes),
        "ERR_UNSUPPORTED_ARCHITECTURE",
        /program for the architecture Qwen2ForMyReward/,
      );
    },
  );

  it.each([
    [null, { AutoModelForSequenceClassification: "o/m--modeling.LlamaForSequenceClassification" }],
    [
      ["LlamaForCausalLM"],
      { AutoModelForCausalLM: "modeling.LlamaForCausalLM", AutoConfig: "config.MyConfig" },
    ],
    [["RewardModel"], { AutoTokenizer: [null, "tokenizer.MyTokenizer"] }],
    [["RewardModel"], null],
  ])("not a repository whose code scores as transformers does: %j, %j", (architectures, auto_map) => {
    expect(describeWith("llama-grouped", { architectures, auto_map }).pooling.rule).toBe("hf");
  });

  it("two models in one checkpoint", () => {
    const fixture = readFixture("llama-grouped");
    const twice = (name: string) =>
      tensorInfos(fixture).map((tensor) => ({
        ...tensor,
        name: tensor.name.replace(/^model\./, `${name}.`),
      }));
    const tensors = [...twice("actor"), ...twice("critic").filter(({ name }) => name.startsWith("critic"))];
    const run = () => describeArchitecture({ config: fixture.config, tensors });
    expectCode(run, "ERR_WEIGHTS", /several models.*actor\.embed_tokens.*critic\.embed_tokens/);
  });

  it("other architectures, and says which are supported and what to do", () => {
    const other = { architectures: ["XLNetForSequenceClassification"], model_type: "xlnet" };
    const error = failure(() => describeWith("llama-grouped", other));
    expect(error.code).toBe("ERR_UNSUPPORTED_ARCHITECTURE");
    expect(error.message).toMatch(/XLNetFor.*export_torchscript\.py.*LlamaForSequenceClassification/);
    expect(error.details).toEqual({
      architecture: "XLNetForSequenceClassification",
      supported: supportedArchitectures(families),
    });
  });

  it("a language model without a value head", () => {
    expectCode(
      () =>
        describeWith(
          "llama-grouped",
          { architectures: ["LlamaForCausalLM"] },
          without(readFixture("llama-grouped"), "score.weight"),
        ),
      "ERR_UNSUPPORTED_ARCHITECTURE",
      /language model/,
    );
  });

  it.each([
    ["albert", { num_hidden_groups: 9 }, "ERR_MODEL_CONFIG", /num_hidden_groups 9 is more than/],
    ["deberta-v3", { position_buckets: 1 }, "ERR_MODEL_CONFIG", /position_buckets 1/],
    ["bert", { num_attention_heads: 32 }, "ERR_NOT_SUPPORTED", /heads of 1 channels, an odd number/],
    ["modernbert", { num_attention_heads: 32 }, "ERR_NOT_SUPPORTED", /heads of 1 channels, an odd number/],
  ] as const)("sizes of %s that cannot be: %j", (name, changes, code, message) => {
    expectCode(() => describeWith(name, changes), code, message);
  });

  it.each([null, [], "x", { architectures: 3 }])("a config that names nothing: %j", (config) => {
    expectCode(
      () => describeArchitecture({ config, tensors: [] }),
      "ERR_UNSUPPORTED_ARCHITECTURE",
      /none named/,
    );
  });

  it.each([
    [{ hidden_size: -32 }, /hidden_size/],
    [{ hidden_size: 1e12 }, /hidden_size/],
    [{ hidden_size: "32" }, /hidden_size/],
    [{ hidden_size: 32.5 }, /hidden_size/],
    [{ hidden_size: 64 }, /hidden_size 64 contradict/],
    [{ vocab_size: 65 }, /vocab_size 65/],
    [{ vocab_size: null }, /vocab_size/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers/],
    [{ num_hidden_layers: 0 }, /num_hidden_layers/],
    [{ num_attention_heads: 5 }, /num_attention_heads/],
    [{ num_attention_heads: 2 ** 31 }, /num_attention_heads/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads/],
    [{ rms_norm_eps: -1 }, /rms_norm_eps/],
    [{ rope_theta: 0 }, /rope_theta/],
    [{ rope_scaling: { type: "linear" } }, /factor/],
    [{ rope_scaling: { type: "linear", factor: -2 } }, /factor/],
    [{ rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] } }, /short_factor/],
    [{ rope_scaling: 4 }, /rope_scaling/],
    [{ head_dim: 7 }, /rotate 7/],
  ])("a hostile or contradictory config: %j", (changes, message) => {
    expectCode(() => describeWith("llama-grouped", changes), "ERR_MODEL_CONFIG", message);
  });

  it.each([
    [{ hidden_act: "relu6" }, /relu6/],
    [{ hidden_act: "constructor" }, /constructor/],
    [{ rope_scaling: { type: "xpos" } }, /xpos/],
    [{ use_bidirectional_attention: true }, /bidirectional/],
  ])("what no program computes: %j", (changes, message) => {
    expectCode(() => describeWith("llama-grouped", changes), "ERR_NOT_SUPPORTED", message);
  });

  it.each([
    ["falcon", { alibi: true }, /ALiBi/],
    ["oasst-mean", { pooling: "max" }, /pooling "max"/],
    ["gpt2", { activation_function: "mish" }, /"mish"/],
    ["smollm3", { layer_types: Array(4).fill("chunked_attention") }, /chunked_attention/],
  ])("%s with %j", (name, changes, message) => {
    expectCode(() => describeWith(name, changes), "ERR_NOT_SUPPORTED", message);
  });

  it("SmolLM3 without an entry for each layer", () => {
    const run = () => describeWith("smollm3", { no_rope_layers: [1, 0] });
    expectCode(run, "ERR_MODEL_CONFIG", /no_rope_layers has 2 entries for 4 layers/);
  });

  it("a checkpoint without its head or a layer, and names the tensor", () => {
    for (const tensor of ["score.weight", "model.layers.1.mlp.up_proj.weight", "model.norm.weight"]) {
      const error = failure(() =>
        describeWith("llama-grouped", {}, without(readFixture("llama-grouped"), tensor)),
      );
      expect([error.code, error.details]).toEqual(["ERR_WEIGHTS", { tensor }]);
    }
  });

  it("a tensor of another shape, and names it and its file", () => {
    const fixture = readFixture("llama-grouped");
    fixture.tensors["model.layers.1.self_attn.k_proj.weight"]![0] = [16, 31];
    const error = failure(() =>
      describeArchitecture({
        config: fixture.config,
        tensors: tensorInfos(fixture),
        files: ["/m/a.safetensors"],
      }),
    );
    expect(error.details).toEqual({
      tensor: "model.layers.1.self_attn.k_proj.weight",
      path: "/m/a.safetensors",
    });
    expect(error.message).toMatch(/\[16, 31\].*\[16, 32\]/);
  });

  it("a gating network that does not fit the objectives", () => {
    expectCode(() => describeWith("qrm", { num_quantiles: 4 }), "ERR_MODEL_CONFIG", /num_quantiles/);
    expectCode(() => describeWith("qrm", { num_quantiles: 5 }), "ERR_MODEL_CONFIG", /gating/);
  });
});
