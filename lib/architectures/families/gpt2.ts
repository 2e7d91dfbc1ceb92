import type { WeightSpec } from "../../native/binding.js";
import { gpt2AsDecoder, parseGpt2 } from "../config/gpt.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";
import { positionsStage } from "../positions.js";

const POSITIONS = 1024;

/** A Conv1D: its weight is [inputs, outputs]. */
function conv1d({ tensors }: Decoder, module: string, outputs: number, inputs: number): WeightSpec {
  const weight = tensors.part(`${module}.weight`, [inputs, outputs]);
  return {
    kind: "linear",
    dtype: "model",
    parts: [{ ...weight, transpose: true }],
    bias: [tensors.part(`${module}.bias`, [outputs])],
    shape: [outputs, inputs],
  };
}

export const gpt2 = decoderFamily({
  classNames: ["GPT2", "GPT2"],
  modelTypes: ["gpt2", "gpt-sw3"],
  program: "gpt",
  asDecoder: gpt2AsDecoder,
  epsKey: "layer_norm_epsilon",
  eps: 1e-5,
  activation: "gelu_new",
  prefix: "transformer.",
  embedding: { name: "wte" },
  modules: () => ["wte", "wpe", "drop", "h", "ln_f"],
  stem: (decoder) => [positionsStage(decoder, "wpe", positionsOf(decoder))],
  positionTable: (decoder) => ({ rows: positionsOf(decoder) }),
  ropes: () => ({}),
  layers: "h",
  layer(decoder, index) {
    const { json, prefix, hidden, intermediate, headDim } = decoder;
    const layer = `${prefix}h.${index}.`;
    const { scale_attn_weights, scale_attn_by_inverse_layer_idx } = parseGpt2(json);
    const scale = (scale_attn_weights ?? true) ? headDim ** -0.5 : 1;
    return gptLayer(decoder, {
      attentionNorm: `${layer}ln_1`,
      mlpNorm: `${layer}ln_2`,
      qkv: conv1d(decoder, `${layer}attn.c_attn`, 3 * hidden, hidden),
      out: conv1d(decoder, `${layer}attn.c_proj`, hidden, hidden),
      up: conv1d(decoder, `${layer}mlp.c_fc`, intermediate, hidden),
      down: conv1d(decoder, `${layer}mlp.c_proj`, hidden, intermediate),
      scale: scale_attn_by_inverse_layer_idx ? scale / (index + 1) : scale,
      rotates: false,
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "ln_f")],
});

function positionsOf({ config }: Decoder): number {
  return config.max_position_embeddings ?? POSITIONS;
}
