import { parsePhi } from "../config/gpt.js";
import { qkvWeight } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm, layerNorm } from "../layer-norm.js";

export const phi = decoderFamily({
  classNames: ["Phi"],
  modelTypes: ["phi"],
  program: "gpt",
  epsKey: "layer_norm_eps",
  eps: 1e-5,
  activation: "gelu_new",
  partialRotaryFactor: 0.5,
  modules: () => ["embed_tokens", "layers", "rotary_emb", "embed_dropout", "final_layernorm"],
  layer(decoder, index) {
    const { json, tensors, prefix, hidden, intermediate, qHeads, headDim } = decoder;
    const layer = `${prefix}layers.${index}.`;
    const linear = (name: string, rows: number, columns: number) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, true);
    const headNorm = (name: string) =>
      layerNorm(tensors, `${name}_norm`, `${layer}self_attn.${name}_layernorm`, headDim);
    return gptLayer(decoder, {
      attentionNorm: `${layer}input_layernorm`,
      mlpNorm: null,
      qkv: qkvWeight(decoder, layer, true),
      out: linear("self_attn.dense", hidden, qHeads * headDim),
      up: linear("mlp.fc1", intermediate, hidden),
      down: linear("mlp.fc2", hidden, intermediate),
      parallel: true,
      ...(parsePhi(json).qk_layernorm && { headNorms: { ...headNorm("q"), ...headNorm("k") } }),
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "final_layernorm")],
});
