import { attentionAttributes, attentionWeights, headNorms } from "../decoder-weights.js";
import { decoderFamily, type Decoder } from "../decoder.js";

/** Of both: neighbouring channels are rotated, half of them; gate and up are one. */
const common = {
  eps: 1.5625e-7,
  headDim: 128,
  kvHeads: 2,
  partialRotaryFactor: 0.5,
  padTokenId: 151329,
};

function glmWeights(decoder: Decoder, layer: string, norms: Record<string, string>) {
  const { config, tensors, hidden, intermediate } = decoder;
  return {
    ...Object.fromEntries(
      Object.entries(norms).map(([attribute, name]) => [
        attribute,
        tensors.dense(`${layer}${name}.weight`, [hidden], "float32"),
      ]),
    ),
    ...attentionWeights(decoder, layer, { qkv: config.attention_bias ?? true, o: false }),
    ...headNorms(decoder, layer, false),
    gate_up_proj: tensors.linear(
      [{ module: `${layer}mlp.gate_up_proj`, rows: 2 * intermediate }],
      hidden,
      false,
    ),
    down_proj: tensors.linear([{ module: `${layer}mlp.down_proj`, rows: hidden }], intermediate, false),
  };
}

export const glm = decoderFamily({
  classNames: ["Glm"],
  modelTypes: ["glm"],
  program: "llama",
  ...common,
  layer(decoder, index) {
    const layer = `${decoder.prefix}layers.${index}.`;
    return {
      attributes: { ...attentionAttributes(decoder, 0), interleaved: { bool: true } },
      weights: glmWeights(decoder, layer, {
        input_layernorm: "input_layernorm",
        post_attention_layernorm: "post_attention_layernorm",
      }),
    };
  },
});

/** Norms before and after the blocks. */
export const glm4 = decoderFamily({
  classNames: ["Glm4"],
  modelTypes: ["glm4"],
  program: "gemma2",
  ...common,
  layer(decoder, index) {
    const layer = `${decoder.prefix}layers.${index}.`;
    return {
      attributes: {
        ...attentionAttributes(decoder, 0),
        interleaved: { bool: true },
        softcap: { float: 0 },
        rope: { string: "" },
      },
      weights: glmWeights(decoder, layer, {
        input_layernorm: "input_layernorm",
        post_attention_layernorm: "post_self_attn_layernorm",
        pre_feedforward_layernorm: "post_attention_layernorm",
        post_feedforward_layernorm: "post_mlp_layernorm",
      }),
    };
  },
});
