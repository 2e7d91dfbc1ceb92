import { attentionAttributes, attentionWeights, layerNorms, mlpWeights } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";

export const olmo2 = decoderFamily({
  classNames: ["Olmo2"],
  modelTypes: ["olmo2"],
  program: "olmo2",
  eps: 1e-5,
  padTokenId: 1,
  layer(decoder, index) {
    const { config, tensors, headDim, qHeads, kvHeads } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const bias = config.attention_bias ?? false;
    const norm = (name: string, heads: number) =>
      tensors.dense(`${layer}self_attn.${name}.weight`, [heads * headDim], "float32");
    return {
      attributes: attentionAttributes(decoder, 0),
      weights: {
        ...layerNorms(decoder, layer, "post_attention_layernorm", "post_feedforward_layernorm"),
        ...attentionWeights(decoder, layer, { qkv: bias, o: bias }),
        ...mlpWeights(decoder, layer, false),
        q_norm: norm("q_norm", qHeads),
        k_norm: norm("k_norm", kvHeads),
      },
    };
  },
});
