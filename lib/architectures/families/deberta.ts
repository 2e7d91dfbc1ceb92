import type { WeightSpec } from "../../native/binding.js";
import { activationOf } from "../activations.js";
import { parseDeberta, type DebertaConfig } from "../config/encoder.js";
import { configError, unsupported } from "../config/errors.js";
import { encoderFamily, layerStages, type Encoder, type LayerNames } from "../encoder.js";
import { classificationHead } from "../heads.js";
import { debertaColumns } from "../relative-positions.js";
import { layerNorm } from "../layer-norm.js";
import { stageSource } from "../sources.js";
import type { Stage } from "../stage.js";
import { BERT_LAYER, LAYERS } from "./bert.js";

const NAMES: LayerNames = {
  ...BERT_LAYER,
  query: "attention.self.query_proj",
  key: "attention.self.key_proj",
  value: "attention.self.value_proj",
};

/** DeBERTa v2 and v3: what a token sees of another depends on how far apart they are. */
export const deberta = encoderFamily({
  classNames: ["DebertaV2"],
  modelTypes: ["deberta-v2"],
  prefix: "deberta.",
  padTokenId: 0,
  typeCount: 0,
  eps: 1e-7,
  embeddingSize: "hidden",
  classifier: {
    module: "classifier",
    head: (tensors, hidden, json) => {
      const { pooler_hidden_act: act } = parseDeberta(json);
      const activation = activationOf(act ?? "gelu", "pooler_hidden_act");
      return classificationHead({ dense: "pooler.dense", activation, out: "classifier" })(
        tensors,
        hidden,
        json,
      );
    },
    pooling: { rule: "first" },
    inputFormat: "pair",
  },
  projection: (width, hidden) =>
    width === hidden ? undefined : { module: "embeddings.embed_proj", bias: false, first: true },
  addsPositions: (json) => parseDeberta(json).position_biased_input ?? true,
  keepsEmbeddings: (json) => hasConvolution(parseDeberta(json)),
  stages(encoder, json) {
    const config = parseDeberta(json);
    if (config.attention_head_size != null && config.attention_head_size !== encoder.headDim)
      throw unsupported(
        "attention_head_size",
        "heads of another size than their share have no built-in program.",
      );
    const terms = positionTerms(config);
    const scale = (encoder.headDim * (1 + terms.length)) ** -0.5;
    const isRelative = config.relative_attention ?? false;
    const layers = isRelative
      ? layerStages(encoder, LAYERS, NAMES, {
          program: "relative",
          layer: (name) => relativeLayer(encoder, config, name, scale),
        })
      : layerStages(encoder, LAYERS, NAMES).map((stage) => ({
          ...stage,
          attributes: { ...stage.attributes, scale: { float: scale } },
        }));
    const stages = isRelative ? [relativeStage(encoder, config), ...layers] : layers;
    if (!hasConvolution(config)) return stages;
    return withConvolution(stages, layers[0]!, encoder, config);
  },
});

/** c2p, p2c: each makes the scale of the products smaller, also where nothing is relative. */
function positionTerms({ pos_att_type: types }: DebertaConfig): string[] {
  const named = typeof types === "string" ? types.toLowerCase().split("|") : (types ?? []);
  return ["c2p", "p2c"].filter((term) => named.some((type) => type.trim() === term));
}

function hasConvolution({ conv_kernel_size: size }: DebertaConfig): boolean {
  return (size ?? 0) > 0;
}

function relativeStage(encoder: Encoder, config: DebertaConfig): Stage {
  const { tensors, prefix, hidden, eps } = encoder;
  const farthest = config.max_relative_positions ?? -1;
  const maxDistance = farthest < 1 ? (config.max_position_embeddings ?? 512) : farthest;
  const buckets = Math.max(config.position_buckets ?? -1, 0);
  if (buckets === 1) throw configError("position_buckets 1 has no half.");
  const rows = 2 * (buckets > 0 ? buckets : maxDistance);
  const isNormed = (config.norm_rel_ebd ?? "none")
    .toLowerCase()
    .split("|")
    .some((part) => part.trim() === "layer_norm");
  return {
    name: `${prefix}encoder.rel_embeddings`,
    block: false,
    registeredLast: true,
    source: stageSource("relative", "RelativeEmbeddings"),
    attributes: { eps: { float: eps }, columns: { ints: debertaColumns(buckets, maxDistance) } },
    weights: {
      weight: tensors.dense(`${prefix}encoder.rel_embeddings.weight`, [rows, hidden], "model"),
      ...(isNormed
        ? layerNorm(encoder.tensors, "norm", `${prefix}encoder.LayerNorm`, hidden)
        : { norm: null, norm_bias: null }),
    },
  };
}

function relativeLayer(
  { tensors, hidden }: Encoder,
  config: DebertaConfig,
  name: string,
  scale: number,
): Pick<Stage, "attributes" | "weights" | "uses"> {
  const terms = positionTerms(config);
  const shares = config.share_att_key ?? false;
  const projection = (module: string, term: string): WeightSpec | null =>
    shares || !terms.includes(term)
      ? null
      : tensors.linear([{ module: `${name}.attention.self.${module}`, rows: hidden }], hidden, true);
  return {
    attributes: {
      scale: { float: scale },
      biased: { bool: false },
      shares_projections: { bool: shares },
      content_to_position: { bool: terms.includes("c2p") },
      position_to_content: { bool: terms.includes("p2c") },
    },
    weights: {
      pos_key: projection("pos_key_proj", "c2p"),
      pos_query: projection("pos_query_proj", "p2c"),
    },
    // What they are multiplied with is no token.
    uses: { pos_key: 0, pos_query: 0 },
  };
}

/** Behind the first layer; what only the pooled tokens need comes after it. */
function withConvolution(
  stages: readonly Stage[],
  first: Stage,
  encoder: Encoder,
  config: DebertaConfig,
): Stage[] {
  const { tensors, prefix, hidden, layers } = encoder;
  const size = config.conv_kernel_size!;
  if ((config.conv_groups ?? 1) !== 1 || size % 2 === 0)
    throw unsupported("conv_groups", "a convolution in groups, or of an even size, has no built-in program.");
  const name = `${prefix}encoder.conv`;
  const shape = [hidden, hidden, size];
  const weights = Array.from({ length: size }, (_, i): WeightSpec => {
    const part = {
      ...tensors.part(`${name}.conv.weight`, shape),
      slice: { dim: 2, start: i, end: i + 1 },
      flatten: [hidden, hidden],
    };
    const weight: WeightSpec = { kind: "linear", dtype: "model", parts: [part], shape: [hidden, hidden] };
    // One of them adds the bias.
    const isMiddle = i === (size - 1) / 2;
    return isMiddle ? { ...weight, bias: [tensors.part(`${name}.conv.bias`, [hidden])] } : weight;
  });
  const convolution: Stage = {
    name,
    block: false,
    registeredLast: true,
    source: stageSource("relative", "Convolution"),
    attributes: {
      eps: { float: encoder.eps },
      activation: { string: activationOf(config.conv_act ?? "tanh", "conv_act") },
      last: { bool: layers === 1 },
    },
    weights: { weights, ...layerNorm(encoder.tensors, "norm", `${name}.LayerNorm`, hidden) },
  };
  return stages.flatMap((stage) =>
    stage === first
      ? [{ ...stage, attributes: { ...stage.attributes, last: { bool: false } } }, convolution]
      : [stage],
  );
}
