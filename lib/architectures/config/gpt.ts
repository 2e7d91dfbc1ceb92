import * as v from "valibot";
import { count, parseKeys, positive, type Config } from "./keys.js";

const flag = v.nullish(v.boolean());

const gpt2Keys = v.object({
  scale_attn_weights: flag,
  scale_attn_by_inverse_layer_idx: flag,
});

export function parseGpt2(config: Config): v.InferOutput<typeof gpt2Keys> {
  return parseKeys(gpt2Keys, config);
}

/** GPT-2's names of the sizes; its configuration class takes the others as well. */
export function gpt2AsDecoder(config: Config): Config {
  const hidden = config.n_embd ?? config.hidden_size;
  return {
    ...config,
    hidden_size: hidden,
    num_hidden_layers: config.n_layer ?? config.num_hidden_layers,
    num_attention_heads: config.n_head ?? config.num_attention_heads,
    max_position_embeddings: config.n_positions ?? config.max_position_embeddings,
    intermediate_size: config.n_inner ?? (typeof hidden === "number" ? 4 * hidden : hidden),
    hidden_act: config.activation_function,
    num_key_value_heads: undefined,
    head_dim: undefined,
  };
}

const gptNeoXKeys = v.object({ use_parallel_residual: flag, pooling: v.nullish(v.string()) });

export function parseGptNeoX(config: Config): v.InferOutput<typeof gptNeoXKeys> {
  return parseKeys(gptNeoXKeys, config);
}

/** GPT-NeoX has names of its own for RoPE, and reads no others. */
export function gptNeoXAsDecoder(config: Config): Config {
  return {
    ...config,
    rope_theta: config.rotary_emb_base,
    partial_rotary_factor: config.rotary_pct,
    num_key_value_heads: undefined,
    head_dim: undefined,
  };
}

const optKeys = v.object({
  do_layer_norm_before: flag,
  _remove_final_layer_norm: flag,
  word_embed_proj_dim: v.nullish(count(2 ** 17)),
  enable_bias: flag,
  layer_norm_elementwise_affine: flag,
});

export function parseOpt(config: Config): v.InferOutput<typeof optKeys> {
  return parseKeys(optKeys, config);
}

export function optAsDecoder(config: Config): Config {
  return {
    ...config,
    intermediate_size: config.ffn_dim,
    hidden_act: config.activation_function,
    num_key_value_heads: undefined,
    head_dim: undefined,
    // Those of nn.LayerNorm, whatever the config has.
    layer_norm_eps: undefined,
  };
}

const phiKeys = v.object({ qk_layernorm: flag, use_parallel_residual: flag, use_qkv_bias: flag });

/** Of Phi and StableLM. */
export function parsePhi(config: Config): v.InferOutput<typeof phiKeys> {
  return parseKeys(phiKeys, config);
}

const gptJKeys = v.object({ rotary_dim: v.nullish(count(4096)) });

export function parseGptJ(config: Config): v.InferOutput<typeof gptJKeys> {
  return parseKeys(gptJKeys, config);
}

const falconKeys = v.object({
  alibi: flag,
  new_decoder_architecture: flag,
  multi_query: flag,
  parallel_attn: flag,
  num_ln_in_parallel_attn: v.nullish(v.picklist([1, 2])),
});

export function parseFalcon(config: Config): v.InferOutput<typeof falconKeys> {
  return parseKeys(falconKeys, config);
}

export function falconAsDecoder(config: Config): Config {
  const { new_decoder_architecture: isNew, multi_query: multiQuery } = parseFalcon(config);
  const hidden = config.n_embed ?? config.hidden_size;
  const grouped = isNew ? config.num_kv_heads : (multiQuery ?? true) ? 1 : null;
  return {
    ...config,
    hidden_size: hidden,
    intermediate_size: config.ffn_hidden_size ?? (typeof hidden === "number" ? 4 * hidden : hidden),
    hidden_act: config.activation,
    num_key_value_heads: grouped ?? null,
    head_dim: undefined,
    partial_rotary_factor: undefined,
  };
}

const olmoKeys = v.object({ clip_qkv: v.nullish(positive) });

export function parseOlmo(config: Config): v.InferOutput<typeof olmoKeys> {
  return parseKeys(olmoKeys, config);
}
