import { optAsDecoder, parseOpt } from "../config/gpt.js";
import { qkvWeight } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm, NOTHING, WEIGHT_AND_BIAS } from "../layer-norm.js";
import { positionsStage } from "../positions.js";
import { stageSource } from "../sources.js";
import type { Stage } from "../stage.js";

const POSITIONS = 2048;
/** Of the table of positions, in front of the first one: they were meant for padding. */
const SKIPPED = 2;

export const opt = decoderFamily({
  classNames: ["OPT"],
  modelTypes: ["opt"],
  program: "gpt",
  asDecoder: optAsDecoder,
  epsKey: "layer_norm_eps",
  eps: 1e-5,
  activation: "relu",
  padTokenId: 1,
  prefix: "model.decoder.",
  embedding: { name: "embed_tokens", width: (json) => parseOpt(json).word_embed_proj_dim },
  modules: (decoder) => [
    "embed_tokens",
    "embed_positions",
    ...(projects(decoder) ? ["project_out", "project_in"] : []),
    ...(hasFinalNorm(decoder) ? ["final_layer_norm"] : []),
  ],
  stem: (decoder) => [
    ...projection(decoder, "project_in"),
    positionsStage(decoder, "embed_positions", positionsOf(decoder), SKIPPED),
  ],
  positionTable: (decoder) => ({ rows: positionsOf(decoder) }),
  ropes: () => ({}),
  layer(decoder, index) {
    const { json, tensors, prefix, hidden, intermediate, qHeads } = decoder;
    const { do_layer_norm_before, enable_bias, layer_norm_elementwise_affine } = parseOpt(json);
    const layer = `${prefix}layers.${index}.`;
    const bias = enable_bias ?? true;
    const linear = (name: string, rows: number, columns: number) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, bias);
    const { attributes, weights } = gptLayer(decoder, {
      attentionNorm: `${layer}self_attn_layer_norm`,
      mlpNorm: `${layer}final_layer_norm`,
      normParts: (layer_norm_elementwise_affine ?? true) ? WEIGHT_AND_BIAS : NOTHING,
      qkv: qkvWeight(decoder, layer, bias),
      out: linear("self_attn.out_proj", hidden, hidden),
      up: linear("fc1", intermediate, hidden),
      down: linear("fc2", hidden, intermediate),
      rotates: false,
    });
    if (do_layer_norm_before ?? true) return { attributes, weights };
    // OPT 350m: norms behind the blocks, as in BERT.
    return {
      source: stageSource("encoder", "EncoderLayer"),
      attributes: { ...attributes, heads: { int: qHeads } },
      weights,
    };
  },
  end(decoder) {
    const { layer_norm_elementwise_affine } = parseOpt(decoder.json);
    const parts = (layer_norm_elementwise_affine ?? true) ? WEIGHT_AND_BIAS : NOTHING;
    return [
      ...(hasFinalNorm(decoder) ? [finalLayerNorm(decoder, "final_layer_norm", parts)] : []),
      ...projection(decoder, "project_out"),
    ];
  },
});

function positionsOf({ config }: Decoder): number {
  return config.max_position_embeddings ?? POSITIONS;
}

function hasFinalNorm({ json }: Decoder): boolean {
  const { do_layer_norm_before, _remove_final_layer_norm } = parseOpt(json);
  return (do_layer_norm_before ?? true) && !_remove_final_layer_norm;
}

function projects({ json, hidden }: Decoder): boolean {
  return (parseOpt(json).word_embed_proj_dim ?? hidden) !== hidden;
}

/** Embeddings of another width than the layers are widened, and what the head reads is narrowed. */
function projection(decoder: Decoder, module: string): Stage[] {
  if (!projects(decoder)) return [];
  const { json, tensors, prefix, hidden } = decoder;
  const width = parseOpt(json).word_embed_proj_dim ?? hidden;
  const name = `${prefix}${module}`;
  const [rows, columns] = module === "project_in" ? [hidden, width] : [width, hidden];
  return [
    {
      name,
      block: false,
      source: stageSource("decoder", "Projection"),
      attributes: {},
      weights: { weight: tensors.linear([{ module: name, rows }], columns, false) },
    },
  ];
}
