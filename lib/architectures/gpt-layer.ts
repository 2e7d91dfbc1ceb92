import type { Attribute, WeightSpec } from "../native/binding.js";
import { attentionAttributes } from "./decoder-weights.js";
import type { Decoder, LayerSpec } from "./decoder.js";
import { layerNorm, WEIGHT_AND_BIAS, type LayerNormParts } from "./layer-norm.js";

/** A layer of native/programs/gpt.py. */
export interface GptLayer {
  /** Modules of the norms; without a second one the MLP reads what the attention reads. */
  attentionNorm: string;
  mlpNorm: string | null;
  normParts?: LayerNormParts;
  qkv: WeightSpec;
  out: WeightSpec;
  /** With `gated` gate and up in one. */
  up: WeightSpec;
  down: WeightSpec;
  gated?: boolean;
  /** The MLP reads the layer's input and not what the attention makes of it. */
  parallel?: boolean;
  rotates?: boolean;
  /** Neighbouring channels are rotated. */
  interleaved?: boolean;
  /** Bound of the absolute values of q, k and v; default none. */
  clip?: number;
  scale?: number;
  window?: number;
  /** Norms of the heads of q and k: q_norm, q_norm_bias, k_norm and k_norm_bias. */
  headNorms?: Record<string, WeightSpec | null>;
}

const NO_HEAD_NORMS = { q_norm: null, q_norm_bias: null, k_norm: null, k_norm_bias: null };

export function gptLayer(decoder: Decoder, layer: GptLayer): LayerSpec {
  const { tensors, hidden } = decoder;
  const { attentionNorm, mlpNorm, normParts = WEIGHT_AND_BIAS, qkv, out, up, down } = layer;
  const attributes: Record<string, Attribute> = {
    ...attentionAttributes(decoder, layer.window ?? 0, layer.scale),
    clip: { float: layer.clip ?? 0 },
    gated: { bool: layer.gated ?? false },
    parallel: { bool: layer.parallel ?? false },
    rotates: { bool: layer.rotates ?? true },
    interleaved: { bool: layer.interleaved ?? false },
    shares_norm: { bool: mlpNorm === null },
  };
  return {
    attributes,
    weights: {
      ...layerNorm(tensors, "attention_norm", attentionNorm, hidden, normParts),
      ...(mlpNorm === null
        ? { norm: null, norm_bias: null }
        : layerNorm(tensors, "norm", mlpNorm, hidden, normParts)),
      ...(layer.headNorms ?? NO_HEAD_NORMS),
      qkv,
      out,
      up,
      down,
    },
  };
}
