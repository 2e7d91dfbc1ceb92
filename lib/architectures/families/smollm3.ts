import { parseSmolLm3 } from "../config/smollm3.js";
import { decoderFamily } from "../decoder.js";
import { llamaLayer } from "./llama.js";
import { isSliding, windowOr } from "./windows.js";

/** Llama, of which some layers do not rotate. */
export const smolLm3 = decoderFamily({
  classNames: ["SmolLM3"],
  modelTypes: ["smollm3"],
  program: "llama",
  theta: 2_000_000,
  kvHeads: 4,
  padTokenId: 128004,
  layer(decoder, index) {
    const { attention_bias, mlp_bias, use_sliding_window } = decoder.config;
    const { no_rope_layers, no_rope_layer_interval } = parseSmolLm3(decoder.json, decoder.layers);
    const rotates = no_rope_layers
      ? no_rope_layers[index] !== 0
      : (index + 1) % (no_rope_layer_interval ?? 4) !== 0;
    const window = windowOr(decoder, 0);
    const sliding = isSliding(decoder, index) ?? ((use_sliding_window ?? false) && !rotates);
    const bias = attention_bias ?? false;
    return llamaLayer(decoder, index, {
      qkvBias: bias,
      oBias: bias,
      mlpBias: mlp_bias ?? false,
      window: sliding ? window : 0,
      rotates,
    });
  },
});
