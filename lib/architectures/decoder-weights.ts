import type { Attribute, WeightPart, WeightSpec } from "../native/binding.js";
import type { Decoder } from "./decoder.js";

/** Attributes that all kinds of attention share. */
export function attentionAttributes(
  decoder: Decoder,
  window: number,
  scale = decoder.headDim ** -0.5,
): Record<string, Attribute> {
  return {
    q_heads: { int: decoder.qHeads },
    kv_heads: { int: decoder.kvHeads },
    head_dim: { int: decoder.headDim },
    scale: { float: scale },
    causal: { bool: decoder.causal },
    window: { int: window },
    activation: { string: decoder.activation },
    rotates: { bool: true },
    // Whether neighbouring channels are rotated, and not those that are half a head apart.
    interleaved: { bool: false },
  };
}

/** q, k and v in one. */
export function qkvWeight(decoder: Decoder, layer: string, bias: boolean): WeightSpec {
  const { tensors, hidden, headDim, qHeads, kvHeads } = decoder;
  const module = (name: string, heads: number) => ({
    module: `${layer}self_attn.${name}`,
    rows: heads * headDim,
  });
  return tensors.linear(
    [module("q_proj", qHeads), module("k_proj", kvHeads), module("v_proj", kvHeads)],
    hidden,
    bias,
  );
}

/** qkv_proj and o_proj. */
export function attentionWeights(
  decoder: Decoder,
  layer: string,
  bias: { qkv: boolean; o: boolean },
): { qkv_proj: WeightSpec; o_proj: WeightSpec } {
  const { tensors, hidden, headDim, qHeads } = decoder;
  const out = { module: `${layer}self_attn.o_proj`, rows: hidden };
  return {
    qkv_proj: qkvWeight(decoder, layer, bias.qkv),
    o_proj: tensors.linear([out], qHeads * headDim, bias.o),
  };
}

/** RMSNorms of the heads of q and k, or none. */
export function headNorms(
  decoder: Decoder,
  layer: string,
  present: boolean,
): Record<string, WeightSpec | null> {
  const norm = (name: string) =>
    present ? decoder.tensors.dense(`${layer}self_attn.${name}.weight`, [decoder.headDim], "float32") : null;
  return { q_norm: norm("q_norm"), k_norm: norm("k_norm") };
}

/** gate_up_proj (gate and up in one) and down_proj. */
export function mlpWeights(
  decoder: Decoder,
  layer: string,
  bias: boolean,
): { gate_up_proj: WeightSpec; down_proj: WeightSpec } {
  const { tensors, hidden, intermediate } = decoder;
  const module = (name: string) => ({ module: `${layer}mlp.${name}`, rows: intermediate });
  return {
    gate_up_proj: tensors.linear([module("gate_proj"), module("up_proj")], hidden, bias),
    down_proj: tensors.linear([{ module: `${layer}mlp.down_proj`, rows: hidden }], intermediate, bias),
  };
}

/** RMSNorms of the hidden states, by the names they have in the checkpoint. */
export function layerNorms(decoder: Decoder, layer: string, ...names: string[]): Record<string, WeightSpec> {
  return Object.fromEntries(
    names.map((name) => [name, decoder.tensors.dense(`${layer}${name}.weight`, [decoder.hidden], "float32")]),
  );
}

/**
 * q, k and v that one linear has by groups: [key-value heads, query heads of the group | k | v, channels, hidden]. A part
 * each, in the order of the ops.
 */
export function interleavedQkv(decoder: Decoder, module: string, bias: boolean): WeightSpec {
  const { tensors, hidden, headDim, qHeads, kvHeads } = decoder;
  const group = qHeads / kvHeads;
  const rows = (qHeads + 2 * kvHeads) * headDim;
  const parts = (suffix: string, columns: number[]): WeightPart[] => {
    const part = tensors.part(`${module}.${suffix}`, [rows, ...columns]);
    const pick = (start: number, end: number) => ({
      ...part,
      reshape: [kvHeads, group + 2, headDim, ...columns],
      slice: { dim: 1, start, end },
      flatten: [kvHeads * (end - start) * headDim, ...columns],
    });
    return [pick(0, group), pick(group, group + 1), pick(group + 1, group + 2)];
  };
  const weight: WeightSpec = {
    kind: "linear",
    dtype: "model",
    parts: parts("weight", [hidden]),
    shape: [rows, hidden],
  };
  return bias ? { ...weight, bias: parts("bias", []) } : weight;
}
