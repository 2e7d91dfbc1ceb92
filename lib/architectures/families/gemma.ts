import { parseRope } from "../config/decoder.js";
import {
  attentionAttributes,
  attentionWeights,
  headNorms,
  layerNorms,
  mlpWeights,
} from "../decoder-weights.js";
import { decoderFamily, ropeContext } from "../decoder.js";
import type { Decoder, LayerSpec } from "../decoder.js";
import { readRope, type Rope } from "../rope.js";
import { llamaLayer } from "./llama.js";
import { isSliding, windowOr } from "./windows.js";

/** Of all Gemmas. */
const common = {
  embedding: { name: "embed_tokens", scaled: true },
  unitOffset: true,
  headDim: 256,
  activation: "gelu_pytorch_tanh",
  padTokenId: 0,
};

export const gemma = decoderFamily({
  classNames: ["Gemma"],
  modelTypes: ["gemma"],
  program: "llama",
  ...common,
  layer(decoder, index) {
    const bias = decoder.config.attention_bias ?? false;
    return llamaLayer(decoder, index, { qkvBias: bias, oBias: bias });
  },
});

/** Four norms a layer, the attention's scale from the config, windows on some layers. */
function gemma2Layer(
  decoder: Decoder,
  index: number,
  options: { window: number; softcap: number; qkNorm: boolean; rope: string },
): LayerSpec {
  const layer = `${decoder.prefix}layers.${index}.`;
  const { attention_bias, query_pre_attn_scalar } = decoder.config;
  const bias = attention_bias ?? false;
  return {
    attributes: {
      ...attentionAttributes(decoder, options.window, (query_pre_attn_scalar ?? 256) ** -0.5),
      softcap: { float: options.softcap },
      rope: { string: options.rope },
    },
    weights: {
      ...layerNorms(
        decoder,
        layer,
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
      ),
      ...attentionWeights(decoder, layer, { qkv: bias, o: bias }),
      ...headNorms(decoder, layer, options.qkNorm),
      ...mlpWeights(decoder, layer, false),
    },
  };
}

export const gemma2 = decoderFamily({
  classNames: ["Gemma2"],
  modelTypes: ["gemma2"],
  program: "gemma2",
  ...common,
  layer(decoder, index) {
    const sliding = isSliding(decoder, index) ?? index % 2 === 0;
    const cap = decoder.config.attn_logit_softcapping;
    return gemma2Layer(decoder, index, {
      window: sliding ? windowOr(decoder, 4096) : 0,
      softcap: cap === undefined ? 50 : (cap ?? 0),
      qkNorm: false,
      rope: "",
    });
  },
});

export const gemma3 = decoderFamily({
  classNames: ["Gemma3Text", "Gemma3"],
  modelTypes: ["gemma3_text", "gemma3"],
  program: "gemma2",
  ...common,
  ropes: gemma3Ropes,
  layer(decoder, index) {
    const sliding =
      isSliding(decoder, index) ?? (index + 1) % (decoder.config.sliding_window_pattern ?? 6) !== 0;
    return gemma2Layer(decoder, index, {
      window: sliding ? windowOr(decoder, 4096) : 0,
      softcap: 0,
      qkNorm: true,
      rope: sliding ? "_local" : "",
    });
  },
});

/** Sliding layers have a RoPE of their own: nested "rope_parameters", or "rope_local_base_freq" beside the usual keys. */
function gemma3Ropes(decoder: Decoder): Record<string, Rope> {
  const { config } = decoder;
  const nested = config.rope_parameters ?? {};
  const full = parseRope(
    { ...(nested.full_attention as object | undefined), ...config.rope_scaling },
    "rope_parameters.full_attention",
  );
  const local = parseRope(nested.sliding_attention ?? {}, "rope_parameters.sliding_attention");
  return {
    "": readRope(full, ropeContext(decoder, config.rope_theta ?? 1_000_000)),
    _local: readRope(local, ropeContext(decoder, config.rope_local_base_freq ?? 10_000)),
  };
}
