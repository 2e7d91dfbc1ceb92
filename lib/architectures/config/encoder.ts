import * as v from "valibot";
import { count, length, parseKeys, type Config } from "./keys.js";

const epsilon = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

/** What encoders of BERT's kind read. */
const bertKeys = v.object({
  vocab_size: count(2 ** 24),
  hidden_size: count(2 ** 17),
  /** Of ELECTRA and ALBERT, where embeddings may be narrower. */
  embedding_size: v.nullish(count(2 ** 17)),
  num_hidden_layers: count(1024),
  num_attention_heads: count(4096),
  intermediate_size: count(2 ** 20),
  hidden_act: v.nullish(v.string()),
  max_position_embeddings: v.nullish(count(2 ** 24)),
  type_vocab_size: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 16))),
  layer_norm_eps: v.nullish(epsilon),
  position_embedding_type: v.nullish(v.string()),
  is_decoder: v.nullish(v.boolean()),
  pad_token_id: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 24))),
  num_hidden_groups: v.nullish(count(1024)),
  inner_group_num: v.nullish(count(1024)),
});
export type BertConfig = v.InferOutput<typeof bertKeys>;

export function parseBert(config: Config): BertConfig {
  return parseKeys(bertKeys, config);
}

/** What DeBERTa reads beside it. */
const debertaKeys = v.object({
  relative_attention: v.nullish(v.boolean()),
  position_biased_input: v.nullish(v.boolean()),
  position_buckets: v.nullish(v.pipe(v.number(), v.integer(), v.maxValue(2 ** 16))),
  max_relative_positions: v.nullish(v.pipe(v.number(), v.integer(), v.maxValue(2 ** 16))),
  max_position_embeddings: v.nullish(count(2 ** 16)),
  pos_att_type: v.nullish(v.union([v.string(), v.array(v.string())])),
  share_att_key: v.nullish(v.boolean()),
  norm_rel_ebd: v.nullish(v.string()),
  pooler_hidden_act: v.nullish(v.string()),
  conv_kernel_size: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(99))),
  conv_groups: v.nullish(count(2 ** 17)),
  conv_act: v.nullish(v.string()),
  attention_head_size: v.nullish(count(2 ** 16)),
});
export type DebertaConfig = v.InferOutput<typeof debertaKeys>;

export function parseDeberta(config: Config): DebertaConfig {
  return parseKeys(debertaKeys, config);
}

const theta = v.nullish(v.pipe(v.number(), v.gtValue(1)));

const modernBertKeys = v.object({
  vocab_size: count(2 ** 24),
  hidden_size: count(2 ** 17),
  num_hidden_layers: count(1024),
  num_attention_heads: count(4096),
  intermediate_size: count(2 ** 20),
  hidden_activation: v.nullish(v.string()),
  classifier_activation: v.nullish(v.string()),
  classifier_pooling: v.nullish(v.string()),
  classifier_bias: v.nullish(v.boolean()),
  max_position_embeddings: v.nullish(length),
  norm_eps: v.nullish(epsilon),
  norm_bias: v.nullish(v.boolean()),
  attention_bias: v.nullish(v.boolean()),
  mlp_bias: v.nullish(v.boolean()),
  local_attention: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(-1), v.maxValue(2 ** 30))),
  layer_types: v.nullish(v.pipe(v.array(v.string()), v.maxLength(1024))),
  global_attn_every_n_layers: v.nullish(length),
  global_rope_theta: theta,
  local_rope_theta: theta,
  rope_scaling: v.nullish(v.looseObject({})),
  rope_parameters: v.nullish(
    v.looseObject({
      full_attention: v.nullish(v.looseObject({})),
      sliding_attention: v.nullish(v.looseObject({})),
    }),
  ),
});
export type ModernBertConfig = v.InferOutput<typeof modernBertKeys>;

export function parseModernBert(config: Config): ModernBertConfig {
  return parseKeys(modernBertKeys, config);
}

/** DistilBERT's own names of the same. */
export function distilbertAsBert(config: Config): Config {
  const { dim, n_layers, n_heads, hidden_dim, activation, ...others } = config;
  return {
    ...others,
    hidden_size: dim ?? config.hidden_size,
    num_hidden_layers: n_layers ?? config.num_hidden_layers,
    num_attention_heads: n_heads ?? config.num_attention_heads,
    intermediate_size: hidden_dim ?? config.intermediate_size,
    hidden_act: activation ?? config.hidden_act,
    // It is not read.
    layer_norm_eps: undefined,
  };
}
