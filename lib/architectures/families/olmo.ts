import { parseOlmo } from "../config/gpt.js";
import { attentionWeights, mlpWeights } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm, NOTHING } from "../layer-norm.js";

/** The first OLMo: its norms have nothing to learn. */
export const olmo = decoderFamily({
  classNames: ["Olmo"],
  modelTypes: ["olmo"],
  program: "gpt",
  // The epsilon is not the config's.
  asDecoder: (config) => ({ ...config, layer_norm_eps: undefined }),
  epsKey: "layer_norm_eps",
  eps: 1e-5,
  padTokenId: 1,
  modules: () => ["embed_tokens", "layers", "norm"],
  layer(decoder, index) {
    const { config, json, prefix } = decoder;
    const layer = `${prefix}layers.${index}.`;
    const bias = config.attention_bias ?? false;
    const attention = attentionWeights(decoder, layer, { qkv: bias, o: bias });
    const mlp = mlpWeights(decoder, layer, false);
    return gptLayer(decoder, {
      attentionNorm: `${layer}input_layernorm`,
      mlpNorm: `${layer}post_attention_layernorm`,
      normParts: NOTHING,
      qkv: attention.qkv_proj,
      out: attention.o_proj,
      up: mlp.gate_up_proj,
      down: mlp.down_proj,
      gated: true,
      clip: parseOlmo(json).clip_qkv ?? 0,
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "norm", NOTHING)],
});
