import { parseMoe } from "../config/moe.js";
import { attentionAttributes, attentionWeights, headNorms, layerNorms } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { expertWeights } from "../experts.js";
import { windowOr } from "./windows.js";

export const mixtral = decoderFamily({
  classNames: ["Mixtral"],
  modelTypes: ["mixtral"],
  program: "moe",
  eps: 1e-5,
  theta: 1_000_000,
  layer(decoder, index) {
    const { json, intermediate } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const { num_local_experts, num_experts_per_tok } = parseMoe(json);
    const experts = expertWeights(decoder, layer, {
      count: num_local_experts ?? 8,
      perToken: num_experts_per_tok ?? 2,
      intermediate,
      module: "block_sparse_moe.",
      names: { gate: "w1", up: "w3", down: "w2" },
    });
    return {
      ...experts,
      attributes: {
        ...attentionAttributes(decoder, windowOr(decoder, 0)),
        ...experts.attributes,
        shares_sum_to_1: { bool: true },
      },
      weights: {
        ...layerNorms(decoder, layer, "input_layernorm", "post_attention_layernorm"),
        ...attentionWeights(decoder, layer, { qkv: false, o: false }),
        ...headNorms(decoder, layer, false),
        ...experts.weights,
        shared_gate: null,
        shared_gate_up: null,
        shared_down: null,
      },
    };
  },
});
