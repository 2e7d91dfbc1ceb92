import { expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { readFixture, tensorInfos } from "../parity/fixtures.js";

function attributes(name: string, changes: Record<string, unknown>) {
  const fixture = readFixture(name);
  const config = JSON.parse(JSON.stringify({ ...fixture.config, ...changes })) as unknown;
  const { spec, ...others } = describeArchitecture({ config, tensors: tensorInfos(fixture) });
  const layers = spec.stages
    .filter((stage) => /\.(layers|h)\./.test(stage.name))
    .map((stage) => stage.attributes);
  const ropes = spec.stages.filter((stage) => stage.attributes.theta).map((stage) => stage.attributes);
  return { ...others, layers, ropes };
}

// What an absent key means is in the configuration classes of transformers 5.17, and differs between families.
it.each([
  ["mistral-default-window", "sliding_window", "window", { int: 4096 }],
  ["mixtral", "sliding_window", "window", { int: 0 }],
  ["phi3", "sliding_window", "window", { int: 0 }],
  ["gemma2-default-softcap", "sliding_window", "window", { int: 4096 }],
  ["gemma2-default-softcap", "attn_logit_softcapping", "softcap", { float: 50 }],
  ["gemma", "hidden_activation", "activation", { string: "gelu_tanh" }],
  ["llama-grouped", "rms_norm_eps", "eps", { float: 1e-6 }],
  ["phi3", "rms_norm_eps", "eps", { float: 1e-5 }],
  ["mixtral", "rms_norm_eps", "eps", { float: 1e-5 }],
  ["olmo2", "rms_norm_eps", "eps", { float: 1e-5 }],
  ["gpt2-pad-is-null", "layer_norm_epsilon", "eps", { float: 1e-5 }],
  ["gpt2", "activation_function", "activation", { string: "gelu_tanh" }],
  ["gpt-neox", "layer_norm_eps", "eps", { float: 1e-5 }],
  ["opt", "activation_function", "activation", { string: "relu" }],
  ["phi-head-norms", "layer_norm_eps", "eps", { float: 1e-5 }],
  ["phi", "hidden_act", "activation", { string: "gelu_tanh" }],
  ["stablelm", "layer_norm_eps", "eps", { float: 1e-5 }],
  ["olmo-biases", "clip_qkv", "clip", { float: 0 }],
  ["olmo3", "rms_norm_eps", "eps", { float: 1e-5 }],
  ["exaone4-letters", "rms_norm_eps", "eps", { float: 1e-5 }],
  ["smollm3-interval", "num_key_value_heads", "kv_heads", { int: 4 }],
  ["smollm3-interval", "sliding_window", "window", { int: 0 }],
  ["glm4-all-channels", "rms_norm_eps", "eps", { float: 1.5625e-7 }],
  ["nemotron-biases", "norm_eps", "eps", { float: 1e-5 }],
  ["nemotron", "hidden_act", "activation", { string: "relu2" }],
  ["gptj", "activation_function", "activation", { string: "gelu_tanh" }],
  ["falcon", "activation", "activation", { string: "gelu" }],
  ["qwen2-moe", "sliding_window", "window", { int: 0 }],
])("%s without %s: %s is %j", (name, key, attribute, expected) => {
  expect(readFixture(name).config).not.toHaveProperty(key);
  expect(attributes(name, {}).layers[0]![attribute]).toEqual(expected);
});

it.each([
  ["mistral-no-window-head-dim", "sliding_window", "window", { int: 0 }],
  ["gemma2-no-softcap", "attn_logit_softcapping", "softcap", { float: 0 }],
])("%s, whose %s is null: %s is %j", (name, key, attribute, expected) => {
  expect(readFixture(name).config).toHaveProperty(key, null);
  expect(attributes(name, {}).layers[0]![attribute]).toEqual(expected);
});

it.each([
  ["llama-grouped", 10_000],
  ["qwen3", 10_000],
  ["mixtral", 1_000_000],
  ["smollm3", 2_000_000],
])("%s without rope_theta: %i", (name, theta) => {
  expect(attributes(name, {}).ropes[0]!.theta).toEqual({ float: theta });
});

it("Gemma 3 has a base for full layers and one for sliding ones", () => {
  const keys = { rope_parameters: undefined, rope_theta: undefined };
  const { ropes } = attributes("gemma3-parameters", keys);
  expect(ropes.map((rope) => rope.theta)).toEqual([{ float: 1_000_000 }, { float: 10_000 }]);
});

it("OLMo 3's rope_theta is that of full layers", () => {
  expect(attributes("olmo3", {}).ropes.map((rope) => rope.theta)).toEqual([
    { float: 700 },
    { float: 500_000 },
  ]);
});

it("Qwen3-MoE reads the number of experts under both names", () => {
  const experts = (changes: Record<string, unknown>) =>
    attributes("qwen3-moe-head-dim", changes).layers[0]!.experts_per_token;
  expect(experts({ num_experts: undefined, num_local_experts: 4 })).toEqual({ int: 2 });
  expect(() => experts({ num_local_experts: 4, num_experts: 3 })).toThrow(/gate\.weight/);
});

it("Qwen has windows only with use_sliding_window, from max_window_layers on", () => {
  const windows = (changes: object) =>
    attributes("qwen2-window", { sliding_window: 6, ...changes }).layers.map((layer) => layer.window);
  expect(windows({})).toEqual([{ int: 0 }, { int: 6 }, { int: 6 }]);
  expect(windows({ use_sliding_window: undefined })).toEqual([{ int: 0 }, { int: 0 }, { int: 0 }]);
  expect(windows({ max_window_layers: undefined })).toEqual([{ int: 0 }, { int: 0 }, { int: 0 }]);
});

it.each(["gpt2", "opt", "gptj"])("%s has a table of positions, and rows end with it", (name) => {
  const { positionTable, maxPositions } = attributes(name, {});
  expect([positionTable, maxPositions]).toEqual([{ rows: 90 }, undefined]);
});

it.each([
  ["gemma-exact-gelu-default-pad", 0],
  ["phi3", 32000],
  ["olmo2", 1],
  ["opt", 1],
  ["gpt2", null],
  ["olmo", 1],
  ["olmo3", 1],
  ["smollm3", 128004],
  ["glm4", 151329],
  ["phi", null],
  ["llama-grouped", null],
])("%s without pad_token_id: %s", (name, padTokenId) => {
  expect(attributes(name, { pad_token_id: undefined }).pooling.padTokenId).toBe(padTokenId);
});
