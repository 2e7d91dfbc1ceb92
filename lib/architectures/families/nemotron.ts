import { attentionWeights } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";

export const nemotron = decoderFamily({
  classNames: ["Nemotron"],
  modelTypes: ["nemotron"],
  program: "gpt",
  epsKey: "norm_eps",
  eps: 1e-5,
  activation: "relu2",
  partialRotaryFactor: 0.5,
  unitOffset: true,
  layer(decoder, index) {
    const { config, tensors, prefix, hidden, intermediate } = decoder;
    const layer = `${prefix}layers.${index}.`;
    const bias = config.attention_bias ?? false;
    const attention = attentionWeights(decoder, layer, { qkv: bias, o: bias });
    const linear = (name: string, rows: number, columns: number) =>
      tensors.linear([{ module: `${layer}mlp.${name}`, rows }], columns, config.mlp_bias ?? false);
    return gptLayer(decoder, {
      attentionNorm: `${layer}input_layernorm`,
      mlpNorm: `${layer}post_attention_layernorm`,
      qkv: attention.qkv_proj,
      out: attention.o_proj,
      up: linear("up_proj", intermediate, hidden),
      down: linear("down_proj", hidden, intermediate),
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "norm")],
});
