import {
  attentionAttributes,
  attentionWeights,
  headNorms,
  layerNorms,
  mlpWeights,
} from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder, LayerSpec } from "../decoder.js";
import { isSliding, qwenWindow, windowOr } from "./windows.js";

/** Llama and what differs from it only by biases, norms of q and k, and windows. */
export function llamaLayer(
  decoder: Decoder,
  index: number,
  options: {
    qkvBias?: boolean;
    oBias?: boolean;
    mlpBias?: boolean;
    qkNorm?: boolean;
    window?: number;
    rotates?: boolean;
  } = {},
): LayerSpec {
  const layer = `${decoder.prefix}layers.${index}.`;
  const {
    qkvBias = false,
    oBias = false,
    mlpBias = false,
    qkNorm = false,
    window = 0,
    rotates = true,
  } = options;
  return {
    attributes: { ...attentionAttributes(decoder, window), rotates: { bool: rotates } },
    weights: {
      ...layerNorms(decoder, layer, "input_layernorm", "post_attention_layernorm"),
      ...attentionWeights(decoder, layer, { qkv: qkvBias, o: oBias }),
      ...headNorms(decoder, layer, qkNorm),
      ...mlpWeights(decoder, layer, mlpBias),
    },
  };
}

export const llama = decoderFamily({
  classNames: ["Llama"],
  modelTypes: ["llama"],
  program: "llama",
  layer(decoder, index) {
    const { attention_bias, mlp_bias } = decoder.config;
    const bias = attention_bias ?? false;
    return llamaLayer(decoder, index, { qkvBias: bias, oBias: bias, mlpBias: mlp_bias ?? false });
  },
});

export const mistral = decoderFamily({
  classNames: ["Mistral"],
  modelTypes: ["mistral"],
  program: "llama",
  layer: (decoder, index) => llamaLayer(decoder, index, { window: windowOr(decoder, 4096) }),
});

export const ministral = decoderFamily({
  classNames: ["Ministral"],
  modelTypes: ["ministral"],
  program: "llama",
  kvHeads: 8,
  layer(decoder, index) {
    const sliding = isSliding(decoder, index) ?? true;
    return llamaLayer(decoder, index, { window: sliding ? windowOr(decoder, 4096) : 0 });
  },
});

export const qwen2 = decoderFamily({
  classNames: ["Qwen2"],
  modelTypes: ["qwen2"],
  program: "llama",
  layer: (decoder, index) =>
    llamaLayer(decoder, index, { qkvBias: true, window: qwenWindow(decoder, index) }),
});

export const qwen3 = decoderFamily({
  classNames: ["Qwen3"],
  modelTypes: ["qwen3"],
  program: "llama",
  headDim: 128,
  layer(decoder, index) {
    const bias = decoder.config.attention_bias ?? false;
    const window = qwenWindow(decoder, index);
    return llamaLayer(decoder, index, { qkvBias: bias, oBias: bias, qkNorm: true, window });
  },
});
