import * as v from "valibot";
import { count, finite, length, parseKeys, positive, type Config } from "./keys.js";

const ropeKeys = v.looseObject({
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
export type RopeConfig = v.InferOutput<typeof ropeKeys>;

const epsilon = v.nullish(v.pipe(v.number(), v.minValue(0), v.maxValue(1)));

/** What trunks of decoder layers read. */
const decoderKeys = v.object({
  vocab_size: count(2 ** 24),
  hidden_size: count(2 ** 17),
  intermediate_size: count(2 ** 20),
  num_hidden_layers: count(1024),
  num_attention_heads: count(4096),
  num_key_value_heads: v.nullish(count(4096)),
  head_dim: v.nullish(count(4096)),
  rms_norm_eps: epsilon,
  layer_norm_eps: epsilon,
  layer_norm_epsilon: epsilon,
  norm_eps: epsilon,
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
  rope_scaling: v.nullish(ropeKeys),
  rope_parameters: v.nullish(v.looseObject({})),
});
export type DecoderConfig = v.InferOutput<typeof decoderKeys>;

export function parseDecoder(config: Config): DecoderConfig {
  return parseKeys(decoderKeys, config);
}

export function parseRope(json: unknown, path: string): RopeConfig {
  return parseKeys(ropeKeys, json, `${path}.`);
}
