import { gptNeoXAsDecoder, parseGptNeoX } from "../config/gpt.js";
import { interleavedQkv } from "../decoder-weights.js";
import { unsupported } from "../config/errors.js";
import { decoderFamily, type DecoderFamily } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";

const trunk: DecoderFamily = {
  classNames: ["GPTNeoX"],
  modelTypes: ["gpt_neox"],
  program: "gpt",
  asDecoder: gptNeoXAsDecoder,
  epsKey: "layer_norm_eps",
  eps: 1e-5,
  activation: "gelu",
  partialRotaryFactor: 0.25,
  prefix: "gpt_neox.",
  embedding: { name: "embed_in" },
  modules: () => ["embed_in", "emb_dropout", "layers"],
  layer(decoder, index) {
    const { config, json, tensors, prefix, hidden, intermediate } = decoder;
    const layer = `${prefix}layers.${index}.`;
    const bias = config.attention_bias ?? true;
    const linear = (name: string, rows: number, columns: number, withBias: boolean) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, withBias);
    return gptLayer(decoder, {
      attentionNorm: `${layer}input_layernorm`,
      mlpNorm: `${layer}post_attention_layernorm`,
      qkv: interleavedQkv(decoder, `${layer}attention.query_key_value`, bias),
      out: linear("attention.dense", hidden, hidden, bias),
      up: linear("mlp.dense_h_to_4h", intermediate, hidden, true),
      down: linear("mlp.dense_4h_to_h", hidden, intermediate, true),
      parallel: parseGptNeoX(json).use_parallel_residual ?? true,
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "final_layer_norm")],
};

export const gptNeoX = decoderFamily(trunk);

/** OpenAssistant's: the config says whether the head reads the last token or the mean. */
export const gptNeoXReward = decoderFamily({
  ...trunk,
  classNames: ["GPTNeoXReward"],
  modelTypes: ["gpt_neox_reward_model"],
  mean(json) {
    const { pooling } = parseGptNeoX(json);
    if (pooling != null && pooling !== "last" && pooling !== "mean")
      throw unsupported("pooling", `pooling "${pooling}" has no built-in program.`);
    return pooling === "mean";
  },
});
