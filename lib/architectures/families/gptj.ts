import { gpt2AsDecoder, parseGptJ } from "../config/gpt.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";
import { readRope, ropeStage } from "../rope.js";

export const gptJ = decoderFamily({
  classNames: ["GPTJ"],
  modelTypes: ["gptj"],
  program: "gpt",
  asDecoder: gpt2AsDecoder,
  epsKey: "layer_norm_epsilon",
  eps: 1e-5,
  activation: "gelu_new",
  prefix: "transformer.",
  embedding: { name: "wte" },
  // transformers computes the rotation of so many positions beforehand.
  positionTable: (decoder) => ({ rows: positionsOf(decoder) }),
  modules: () => ["wte", "drop", "h", "ln_f"],
  stem(decoder) {
    const maxPositions = positionsOf(decoder);
    const context = { headDim: rotaryDim(decoder), theta: 10_000, maxPositions, partialRotaryFactor: 1 };
    // It is no module of its own: every layer has the table.
    return [{ ...ropeStage(`${decoder.prefix}rotary_emb`, readRope({}, context), ""), buffers: [] }];
  },
  ropes: () => ({}),
  layers: "h",
  layer(decoder, index) {
    const { tensors, prefix, hidden, intermediate } = decoder;
    const layer = `${prefix}h.${index}.`;
    const linear = (names: string[], rows: number, columns: number, bias: boolean) =>
      tensors.linear(
        names.map((name) => ({ module: `${layer}${name}`, rows })),
        columns,
        bias,
      );
    const spec = gptLayer(decoder, {
      attentionNorm: `${layer}ln_1`,
      mlpNorm: null,
      qkv: linear(["attn.q_proj", "attn.k_proj", "attn.v_proj"], hidden, hidden, false),
      out: linear(["attn.out_proj"], hidden, hidden, false),
      up: linear(["mlp.fc_in"], intermediate, hidden, true),
      down: linear(["mlp.fc_out"], hidden, intermediate, true),
      parallel: true,
      interleaved: true,
    });
    const numbers = positionsOf(decoder) * rotaryDim(decoder);
    return { ...spec, buffers: [{ name: "attn.embed_positions", numbers, dtype: "float32" }] };
  },
  end: (decoder) => [finalLayerNorm(decoder, "ln_f")],
});

function positionsOf({ config }: Decoder): number {
  return config.max_position_embeddings ?? 2048;
}

function rotaryDim({ json, headDim }: Decoder): number {
  const { rotary_dim } = parseGptJ(json);
  return rotary_dim === undefined ? 64 : (rotary_dim ?? headDim);
}
