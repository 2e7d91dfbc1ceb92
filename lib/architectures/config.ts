import * as v from "valibot";
import type { Dtype } from "../native/binding.js";
import { configError, unsupported } from "./config-error.js";

/** An integer from 1 to a bound that no published model comes near: what is larger is damage or an attack. */
const count = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));
const id = v.nullish(v.pipe(v.number(), v.integer(), v.minValue(-1), v.maxValue(2 ** 31 - 1)));
const length = count(2 ** 30);
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const finite = v.pipe(v.number(), v.finite());

const ropeSchema = v.looseObject({
  rope_type: v.nullish(v.string()),
  type: v.nullish(v.string()),
  rope_theta: v.nullish(v.pipe(v.number(), v.gtValue(1))),
  factor: v.nullish(positive),
  partial_rotary_factor: v.nullish(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
  original_max_position_embeddings: v.nullish(length),
  attention_factor: v.nullish(positive),
  beta_fast: v.nullish(positive),
  beta_slow: v.nullish(positive),
  mscale: v.nullish(finite),
  mscale_all_dim: v.nullish(finite),
  truncate: v.nullish(v.boolean()),
  low_freq_factor: v.nullish(positive),
  high_freq_factor: v.nullish(positive),
  short_factor: v.nullish(v.pipe(v.array(positive), v.maxLength(4096))),
  long_factor: v.nullish(v.pipe(v.array(positive), v.maxLength(4096))),
});
export type RopeConfig = v.InferOutput<typeof ropeSchema>;

/** The keys of config.json that decoder trunks and heads read, all of them checked; others pass. */
const configSchema = v.looseObject({
  architectures: v.nullish(v.array(v.string())),
  model_type: v.nullish(v.string()),
  dtype: v.nullish(v.string()),
  torch_dtype: v.nullish(v.string()),
  pad_token_id: id,
  id2label: v.nullish(v.record(v.string(), v.string())),

  vocab_size: count(2 ** 24),
  hidden_size: count(2 ** 17),
  intermediate_size: count(2 ** 20),
  num_hidden_layers: count(1024),
  num_attention_heads: count(4096),
  num_key_value_heads: v.nullish(count(4096)),
  head_dim: v.nullish(count(4096)),
  rms_norm_eps: v.nullish(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  hidden_act: v.nullish(v.string()),
  hidden_activation: v.nullish(v.string()),
  attention_bias: v.nullish(v.boolean()),
  mlp_bias: v.nullish(v.boolean()),
  bias: v.nullish(v.boolean()),
  use_bidirectional_attention: v.nullish(v.boolean()),

  sliding_window: v.nullish(length),
  use_sliding_window: v.nullish(v.boolean()),
  max_window_layers: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))),
  sliding_window_pattern: v.nullish(length),
  layer_types: v.nullish(v.pipe(v.array(v.string()), v.maxLength(1024))),
  query_pre_attn_scalar: v.nullish(positive),
  attn_logit_softcapping: v.nullish(positive),

  max_position_embeddings: v.nullish(length),
  original_max_position_embeddings: v.nullish(length),
  partial_rotary_factor: v.nullish(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
  rope_theta: v.nullish(v.pipe(v.number(), v.gtValue(1))),
  rope_local_base_freq: v.nullish(positive),
  rope_scaling: v.nullish(ropeSchema),
  rope_parameters: v.nullish(v.looseObject({})),

  num_local_experts: v.nullish(count(4096)),
  num_experts_per_tok: v.nullish(count(4096)),

  reward_token_id: id,
  num_objectives: v.nullish(count(4096)),
  num_quantiles: v.nullish(count(4096)),
  gating_temperature: v.nullish(positive),
  do_normalize: v.nullish(v.boolean()),
  normalizer_type: v.nullish(v.string()),
  // Names that mean one thing to one trainer and another to the next: whoever reads them checks them.
  mean: v.optional(v.unknown()),
  var: v.optional(v.unknown()),
  std: v.optional(v.unknown()),
});
export type ModelConfig = v.InferOutput<typeof configSchema>;

/** Checks config.json; a multimodal config gives its text model's part, with the outer one's architectures. */
export function parseConfig(json: unknown): ModelConfig {
  if (!isObject(json)) throw configError("it is not a JSON object.");
  const inner = isObject(json.text_config) ? json.text_config : json;
  const method = quantizationMethod([json.quantization_config, inner.quantization_config]);
  if (method !== undefined) {
    throw unsupported(
      "quantization",
      `the weights are quantized (quantization_config, ${method}); use a checkpoint in float32, bfloat16 or float16.`,
    );
  }
  const merged = { ...inner, architectures: json.architectures, id2label: json.id2label };
  return parse(configSchema, merged, "");
}

/**
 * How the weights are quantized: by the first config that says anything, as transformers has it. Configs that were left
 * behind when float weights were made of quantized ones say nothing: those of GGUF files, whose weights are in such a
 * file or are not quantized, and those of bitsandbytes without a number of bits.
 */
function quantizationMethod(configs: readonly unknown[]): string | undefined {
  const config = configs.find((each) => each && !(isObject(each) && Object.keys(each).length === 0));
  if (config === undefined) return undefined;
  if (!isObject(config)) return "of an unknown kind";
  const { quant_method: method, load_in_4bit: in4Bit, load_in_8bit: in8Bit } = config;
  if (in4Bit || in8Bit) return `bitsandbytes in ${in4Bit ? 4 : 8} bits`;
  if (method === "gguf" || method === "bitsandbytes") return undefined;
  return typeof method === "string" ? method : "of an unknown kind";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseRope(json: unknown, path: string): RopeConfig {
  return parse(ropeSchema, json, `${path}.`);
}

/** One number or a list of them, at least `minimum` each; undefined where the config has none. */
export function parseNumbers(json: unknown, path: string, minimum = -Infinity): number[] | undefined {
  const number = v.pipe(finite, v.minValue(minimum));
  const parsed = parse(v.nullish(v.union([number, v.array(number)])), json, path);
  return typeof parsed === "number" ? [parsed] : (parsed ?? undefined);
}

/** The dtype that config.json names: "dtype", in older files "torch_dtype". */
export function configDtype(config: ModelConfig): Dtype | undefined {
  const name = (config.dtype ?? config.torch_dtype)?.replace(/^torch\./, "");
  return name === "float32" || name === "bfloat16" || name === "float16" ? name : undefined;
}

function parse<S extends v.GenericSchema>(schema: S, json: unknown, prefix: string): v.InferOutput<S> {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw configError(`"${prefix}${v.getDotPath(issue) ?? ""}": ${issue.message}.`);
}
