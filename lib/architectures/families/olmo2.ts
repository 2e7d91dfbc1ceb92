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
import { isSliding, windowOr } from "./windows.js";

interface NormsBehind {
  window?: number;
  /** Suffix of the kind of RoPE. */
  rope?: string;
  rotates?: boolean;
  bias?: boolean;
  /** Norms of q and k: of every head, or of all channels. */
  normsHeads?: boolean;
}

/** Norms behind attention and MLP, and of q and k. */
function normsBehindLayer(decoder: Decoder, index: number, options: NormsBehind): LayerSpec {
  const { tensors, headDim, qHeads, kvHeads } = decoder;
  const layer = `${decoder.prefix}layers.${index}.`;
  const { bias = false, normsHeads = false } = options;
  const norm = (name: string, heads: number) =>
    tensors.dense(`${layer}self_attn.${name}.weight`, [heads * headDim], "float32");
  return {
    attributes: {
      ...attentionAttributes(decoder, options.window ?? 0),
      rope: { string: options.rope ?? "" },
      rotates: { bool: options.rotates ?? true },
      norms_heads: { bool: normsHeads },
    },
    weights: {
      ...layerNorms(decoder, layer, "post_attention_layernorm", "post_feedforward_layernorm"),
      ...attentionWeights(decoder, layer, { qkv: bias, o: bias }),
      ...mlpWeights(decoder, layer, false),
      ...(normsHeads
        ? headNorms(decoder, layer, true)
        : { q_norm: norm("q_norm", qHeads), k_norm: norm("k_norm", kvHeads) }),
    },
  };
}

export const olmo2 = decoderFamily({
  classNames: ["Olmo2"],
  modelTypes: ["olmo2"],
  program: "olmo2",
  eps: 1e-5,
  padTokenId: 1,
  layer: (decoder, index) =>
    normsBehindLayer(decoder, index, { bias: decoder.config.attention_bias ?? false }),
});

export const olmo3 = decoderFamily({
  classNames: ["Olmo3"],
  modelTypes: ["olmo3"],
  program: "olmo2",
  eps: 1e-5,
  padTokenId: 1,
  ropes: olmo3Ropes,
  layer(decoder, index) {
    const sliding = isSliding(decoder, index) ?? (index + 1) % 4 !== 0;
    return normsBehindLayer(decoder, index, {
      bias: decoder.config.attention_bias ?? false,
      window: sliding ? windowOr(decoder, 4096) : 0,
      rope: sliding ? "_local" : "",
    });
  },
});

const OLMO3_THETA = 500_000;

/** "rope_theta" and "rope_scaling" are those of full layers. */
function olmo3Ropes(decoder: Decoder): Record<string, Rope> {
  const { config } = decoder;
  const nested = config.rope_parameters ?? {};
  const full = { ...(nested.full_attention as object | undefined), ...config.rope_scaling };
  const local = nested.sliding_attention ?? {};
  return {
    "": readRope(
      parseRope(full, "rope_parameters.full_attention"),
      ropeContext(decoder, config.rope_theta ?? OLMO3_THETA),
    ),
    _local: readRope(
      parseRope(local, "rope_parameters.sliding_attention"),
      ropeContext(decoder, OLMO3_THETA),
    ),
  };
}

/** Layers without a window do not rotate, unless no layer has one. */
export const exaone4 = decoderFamily({
  classNames: ["Exaone4"],
  modelTypes: ["exaone4"],
  program: "olmo2",
  // A pattern in letters says nothing that layer_types does not.
  asDecoder: ({ sliding_window_pattern: pattern, ...config }) => ({
    ...config,
    ...(typeof pattern !== "string" && { sliding_window_pattern: pattern }),
  }),
  eps: 1e-5,
  kvHeads: 32,
  layer(decoder, index) {
    const window = windowOr(decoder, 4096);
    const every = decoder.config.sliding_window_pattern ?? 4;
    const sliding = isSliding(decoder, index) ?? (window > 0 && (index + 1) % every !== 0);
    return normsBehindLayer(decoder, index, {
      window: sliding ? window : 0,
      rotates: window === 0 || sliding,
      normsHeads: true,
    });
  },
});
