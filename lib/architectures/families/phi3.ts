import { attentionAttributes, headNorms, layerNorms } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { windowOr } from "./windows.js";

export const phi3 = decoderFamily({
  classNames: ["Phi3"],
  modelTypes: ["phi3"],
  program: "llama",
  eps: 1e-5,
  padTokenId: 32000,
  layer(decoder, index) {
    const { tensors, hidden, intermediate, headDim, qHeads, kvHeads } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const linear = (name: string, rows: number, columns: number) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, false);
    return {
      attributes: attentionAttributes(decoder, windowOr(decoder, 0)),
      weights: {
        ...layerNorms(decoder, layer, "input_layernorm", "post_attention_layernorm"),
        ...headNorms(decoder, layer, false),
        qkv_proj: linear("self_attn.qkv_proj", (qHeads + 2 * kvHeads) * headDim, hidden),
        o_proj: linear("self_attn.o_proj", hidden, qHeads * headDim),
        gate_up_proj: linear("mlp.gate_up_proj", 2 * intermediate, hidden),
        down_proj: linear("mlp.down_proj", hidden, intermediate),
      },
    };
  },
});
