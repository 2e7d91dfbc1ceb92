import { describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { patternValue } from "#lib/architectures/peft-pattern.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { LoraConfig } from "#lib/model-files/adapter-config.js";
import type { TensorInfo, WeightDelta, WeightSpec } from "#lib/native/binding.js";
import { readFixture, tensorInfos } from "../parity/fixtures.js";

const CONFIG: LoraConfig = {
  rank: 4,
  alpha: 8,
  ranks: {},
  alphas: {},
  rankStabilized: false,
  dora: false,
  fanInFanOut: false,
};
const Q = "base_model.model.model.layers.1.self_attn.q_proj";

type Shapes = Record<string, number[]>;
const factors = (module: string, out = 32, inside = 32, rank = 4): Shapes => ({
  [`${module}.lora_A.weight`]: [rank, inside],
  [`${module}.lora_B.weight`]: [out, rank],
});

const infos = (shapes: Shapes, prefix = "adapter:"): TensorInfo[] =>
  Object.entries(shapes).map(([name, shape]) => ({ name: prefix + name, shape, dtype: "F32", file: 1 }));

function describeWith(shapes: Shapes, config: Partial<LoraConfig> = {}, base = "llama-grouped") {
  const fixture = readFixture(base);
  return describeArchitecture({
    config: fixture.config,
    tensors: [...tensorInfos(fixture), ...infos(shapes)],
    files: ["/base/model.safetensors", "/adapter/adapter_model.safetensors"],
    adapter: { ...CONFIG, ...config },
  });
}

/** What is added to the parts of a stage's weight. */
function deltasOf(described: ReturnType<typeof describeWith>, stage: string, weight: string) {
  const { parts } = described.spec.stages.find(({ name }) => name === stage)!.weights[weight] as WeightSpec;
  return parts.map(({ delta }) => delta);
}

const deltaOfQ = (shapes: Shapes, config: Partial<LoraConfig> = {}): WeightDelta | undefined =>
  deltasOf(describeWith(shapes, config), "model.layers.1", "qkv_proj")[0];

describe("the scale", () => {
  it.each<[Partial<LoraConfig>, number]>([
    [{}, 2],
    [{ alpha: 6 }, 1.5],
    [{ rankStabilized: true }, 4],
    [{ alphas: { q_proj: 1 } }, 0.25],
    [{ rank: 2, ranks: { "layers.1.self_attn.q_proj": 4 } }, 2],
    [{ rank: 2, ranks: { "layers.0.self_attn.q_proj": 8, q_proj: 4, "self_attn.q_proj": 2 } }, 2],
    [{ alphas: { proj: 1, "self_attn.(k|q)_proj": 2, q_proj: 4 } }, 0.5],
    [{ alphas: { "^layers.1.self_attn.q_proj": 1, "model.layers.\\d+.self_attn.q_proj": 2 } }, 0.5],
  ])("with %j is %d", (config, scale) => {
    expect(deltaOfQ(factors(Q), config)).toEqual({
      a: `adapter:${Q}.lora_A.weight`,
      b: `adapter:${Q}.lora_B.weight`,
      scale,
    });
  });

  it.each([["(a+)+"], ["(.*)*q"], [".*.*.*q_proj"], ["(?P<name>q)_proj"], ["q_proj("], ["q".repeat(1000)]])(
    "refuses a pattern that could take for ever, or is unknown: %s",
    (pattern) => {
      const run = () => patternValue({ [pattern]: 1 }, "model.layers.0.self_attn.q_proj");
      expect(run).toThrow(expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }) as Error);
    },
  );
});

describe("names", () => {
  it.each([
    ["a file that PEFT saved", (name: string) => name],
    ["a state dict with the adapter's name", (name: string) => name.replace(/(lora_[AB])/, "$1.default")],
    ["no prefix", (name: string) => name.replace("base_model.model.", "")],
    ["DDP", (name: string) => `module.${name}`],
    ["FSDP", (name: string) => name.replace("layers.1", "_fsdp_wrapped_module.layers.1")],
    ["model. too often", (name: string) => name.replace("model.model.", "model.model.model.")],
    ["model. too few", (name: string) => name.replace("base_model.model.model.", "base_model.model.")],
    ["a multimodal model's", (name: string) => name.replace("model.model.", "model.model.language_model.")],
  ])("of %s find their tensor", (_what, rename) => {
    const shapes = Object.fromEntries(
      Object.entries(factors(Q)).map(([name, shape]) => [rename(name), shape]),
    );
    expect(deltaOfQ(shapes)).toMatchObject({ scale: 2 });
  });

  it("of a router that transformers has renamed find their tensor", () => {
    const gate = "base_model.model.model.layers.0.mlp.gate";
    const described = describeWith(factors(gate, 4), {}, "mixtral");
    expect(deltasOf(described, "model.layers.0", "router")[0]).toMatchObject({ scale: 2 });
  });

  it("of a module that was trained whole take the place of the base's", () => {
    const described = describeWith({ ...factors(Q), "base_model.model.score.weight": [3, 32] });
    expect(described.labels).toBe(3);
    expect(described.unusedTensors).toEqual([]);
  });

  it("of a language model's head are told and not applied", () => {
    const head = factors("base_model.model.lm_head", 64);
    expect(describeWith({ ...factors(Q), ...head }).unusedTensors).toEqual(
      Object.keys(head).map((name) => `adapter:${name}`),
    );
  });
});

describe("is refused:", () => {
  const embed = "base_model.model.model.embed_tokens";
  const cases: [string, Shapes, Partial<LoraConfig>, RegExp][] = [
    ["no A", { [`${Q}.lora_B.weight`]: [32, 4] }, {}, /no lora_A beside it/],
    ["no B", { [`${Q}.lora_A.weight`]: [4, 32] }, {}, /no lora_B beside it/],
    ["no norms of DoRA", factors(Q), { dora: true }, /no lora_magnitude_vector beside it/],
    ["norms of another size", { ...factors(Q), [`${Q}.lora_magnitude_vector`]: [31] }, {}, /\[31\].*\[32\]/],
    ["A of another model", factors(Q, 32, 48), {}, /\[4, 48\].*\[32, 32\].*\[4, 32\]/],
    ["B of another model", factors(Q, 48), {}, /\[48, 4\].*\[32, 32\].*\[32, 4\]/],
    ["another rank than the config's", factors(Q, 32, 32, 8), {}, /\[8, 32\].*needs \[4, 32\]/],
    ["rank 0", factors(Q, 32, 32, 0), {}, /\[0, 32\].*needs \[4, 32\]/],
    ["a vector", { [`${Q}.lora_A.weight`]: [128], [`${Q}.lora_B.weight`]: [128] }, {}, /\[128\]/],
    ["LoRA on a norm", factors("base_model.model.model.norm"), {}, /does not fit "model\.norm\.weight"/],
    [
      "factors of an embedding that are turned",
      {
        [`${embed}.lora_embedding_A`]: [4, 32],
        [`${embed}.lora_embedding_B`]: [64, 4],
      },
      {},
      /\[4, 32\].*\[64, 32\].*\[4, 64\]/,
    ],
    ["a layer that the base has not", factors(Q.replace(".1.", ".7.")), {}, /layers\.7.*does not have/],
    ["a module that the base has not", factors("base_model.model.policy"), {}, /policy.*does not have/],
    ["a bias where the base has none", { ...factors(Q), [`${Q}.lora_B.bias`]: [32] }, {}, /adds a bias/],
    [
      "two adapters in one file",
      { ...factors(Q), [`${Q}.lora_A.other.weight`]: [4, 32] },
      {},
      /is there twice/,
    ],
    [
      "a module that was trained whole twice",
      {
        ...factors(Q),
        "base_model.model.score.weight": [1, 32],
        "base_model.model.score.modules_to_save.default.weight": [1, 32],
      },
      {},
      /twice/,
    ],
    ["a file without an adapter", {}, {}, /no tensor of an adapter/],
  ];

  it.each(cases)("%s", (_what, shapes, config, message) => {
    const run = () => describeWith(shapes, config);
    expect(run).toThrow(expect.objectContaining({ code: "ERR_WEIGHTS" }) as Error);
    expect(run).toThrow(message);
  });

  it("and the message names the adapter's file", () => {
    try {
      describeWith(factors(Q, 48));
      expect.unreachable();
    } catch (error) {
      expect((error as RewardModelScoreError).details).toEqual({
        tensor: `adapter:${Q}.lora_B.weight`,
        path: "/adapter/adapter_model.safetensors",
      });
    }
  });

  it.each([
    ["tokens that were trained alone", "model.embed_tokens.token_adapter.trainable_tokens_delta"],
    ["IA3", "model.layers.0.mlp.down_proj.ia3_l"],
    ["LoHa", "model.layers.0.self_attn.q_proj.hada_w1_a"],
    ["LoKr", "model.layers.0.self_attn.q_proj.lokr_w1"],
  ])("a tensor of %s, whatever the config says", (_what, name) => {
    const run = () => describeWith({ ...factors(Q), [`base_model.model.${name}`]: [4, 4] });
    expect(run).toThrow(expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }) as Error);
  });

  it("LoRA on the experts that are one tensor", () => {
    const experts = "base_model.model.model.layers.0.mlp.experts";
    expect(() => describeWith(factors(experts), {}, "mixtral-fused")).toThrow(/does not have/);
  });
});

it("the tensors of a base that an adapter wrapped are not read without it", () => {
  const fixture = readFixture("llama-grouped");
  const tensors = tensorInfos(fixture).map((tensor) => ({
    ...tensor,
    name: tensor.name.replace("q_proj.weight", "q_proj.base_layer.weight"),
  }));
  expect(() => describeArchitecture({ config: fixture.config, tensors })).toThrow(/belongs to an adapter/);
});
