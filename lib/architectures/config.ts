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
  quantization_config: v.nullish(v.looseObject({})),
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
  mean: v.nullish(v.array(finite)),
  var: v.nullish(v.array(v.pipe(finite, v.minValue(0)))),
});
export type ModelConfig = v.InferOutput<typeof configSchema>;

/** Checks config.json; a multimodal config gives its text model's part, with the outer one's architectures. */
export function parseConfig(json: unknown): ModelConfig {
  if (typeof json !== "object" || json === null) throw configError("it is not a JSON object.");
  const outer = json as Record<string, unknown>;
  const inner =
    typeof outer.text_config === "object" && outer.text_config !== null ? outer.text_config : outer;
  const merged = { ...inner, architectures: outer.architectures, id2label: outer.id2label };
  const config = parse(configSchema, merged, "");
  if (config.quantization_config) {
    throw unsupported(
      "quantization",
      "the weights are quantized (quantization_config); use a checkpoint in float32, bfloat16 or float16.",
    );
  }
  return config;
}

export function parseRope(json: unknown, path: string): RopeConfig {
  return parse(ropeSchema, json, `${path}.`);
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
