import type { WeightSpec } from "../../native/binding.js";
import { activationOf } from "../activations.js";
import type { CheckpointTensors } from "../checkpoint-tensors.js";
import { parseRope } from "../config/decoder.js";
import { parseModernBert, type ModernBertConfig } from "../config/encoder.js";
import { configError, unsupported } from "../config/errors.js";
import { requireEvenHeads } from "../encoder.js";
import type { Family } from "../family.js";
import { classificationHead } from "../heads.js";
import { readRope, ropeStage, type Rope } from "../rope.js";
import { stageSource } from "../sources.js";
import type { Stage } from "../stage.js";

type LayerType = "full_attention" | "sliding_attention";

/** Of the batch's "cos" and "sin". */
const SUFFIX: Record<LayerType, string> = { full_attention: "_full", sliding_attention: "_sliding" };
const DEFAULT_THETA: Record<LayerType, number> = { full_attention: 160_000, sliding_attention: 10_000 };

const EMBEDDING = "embeddings.tok_embeddings.weight";

export const modernbert: Family = {
  classNames: ["ModernBert"],
  modelTypes: ["modernbert"],
  padTokenId: 50283,
  classifier: {
    module: "classifier",
    head: (tensors, hidden, json) => {
      const config = parseModernBert(json);
      const head = classificationHead({
        dense: "head.dense",
        denseBias: config.classifier_bias ?? false,
        activation: activationOf(config.classifier_activation ?? "gelu", "classifier_activation"),
        norm: { module: "head.norm", eps: epsOf(config), bias: config.norm_bias ?? false },
        out: "classifier",
      });
      return head(tensors, hidden, json);
    },
    // The mean of a row is a stage's.
    pooling: { rule: "first" },
    inputFormat: "pair",
  },
  build(json, tensors) {
    const config = parseModernBert(json);
    const { hidden_size: hidden, num_hidden_layers: layers, max_position_embeddings: positions } = config;
    const prefix = tensors.prefixOf(EMBEDDING, "model.");
    const types = layerTypes(config);
    const ropes = Object.fromEntries([...new Set(types)].map((type) => [type, ropeOf(config, type)]));
    const mean = isMean(config);
    const eps = { float: epsOf(config) };
    const embeddings: Stage = {
      name: `${prefix}embeddings`,
      block: true,
      source: stageSource("encoder", "Embeddings"),
      attributes: {
        eps,
        reads_types: { bool: false },
        counts_from: { int: -1 },
        projects_first: { bool: false },
        kept: { bool: false },
      },
      weights: {
        words: tensors.table(`${prefix}${EMBEDDING}`, [config.vocab_size, hidden]),
        types: null,
        positions: null,
        ...norm(tensors, config, "norm", `${prefix}embeddings.norm`),
        projection: null,
      },
    };
    const finalNorm: Stage = {
      name: `${prefix}final_norm`,
      block: false,
      source: stageSource("modernbert", "Norm"),
      attributes: { eps, mean: { bool: mean } },
      weights: norm(tensors, config, "norm", `${prefix}final_norm`),
    };
    return {
      stages: [
        embeddings,
        ...Object.entries(ropes).map(([type, rope]) =>
          ropeStage(`${prefix}rotary_emb`, rope, SUFFIX[type as LayerType]),
        ),
        ...types.map((type, i) =>
          layerStage(tensors, config, `${prefix}layers.${i}`, type, i, !mean && i === layers - 1),
        ),
        finalNorm,
      ],
      embedding: `${prefix}${EMBEDDING}`,
      hidden,
      maxPositions: positions ?? 8192,
      causal: false,
      ropes: Object.values(ropes),
    };
  },
};

function layerStage(
  tensors: CheckpointTensors,
  config: ModernBertConfig,
  name: string,
  type: LayerType,
  index: number,
  last: boolean,
): Stage {
  const { hidden_size: hidden, intermediate_size: intermediate, num_attention_heads: heads } = config;
  const linear = (module: string, rows: number, columns: number, bias: boolean | null | undefined) =>
    tensors.linear([{ module: `${name}.${module}`, rows }], columns, bias ?? false);
  // The first layer reads what the norm of the embeddings returns.
  const attentionNorm =
    index === 0
      ? { attn_norm: null, attn_norm_bias: null }
      : norm(tensors, config, "attn_norm", `${name}.attn_norm`);
  return {
    name,
    block: true,
    source: stageSource("modernbert", "EncoderLayer"),
    attributes: {
      heads: { int: heads },
      head_dim: { int: hidden / heads },
      scale: { float: (hidden / heads) ** -0.5 },
      // Tokens see as many others on either side.
      window: { int: type === "sliding_attention" ? Math.floor((config.local_attention ?? 128) / 2) + 1 : 0 },
      rope: { string: SUFFIX[type] },
      eps: { float: epsOf(config) },
      activation: { string: activationOf(config.hidden_activation ?? "gelu", "hidden_activation") },
      last: { bool: last },
    },
    weights: {
      ...attentionNorm,
      qkv: linear("attn.Wqkv", 3 * hidden, hidden, config.attention_bias),
      out: linear("attn.Wo", hidden, hidden, config.attention_bias),
      ...norm(tensors, config, "mlp_norm", `${name}.mlp_norm`),
      gate_up: linear("mlp.Wi", 2 * intermediate, hidden, config.mlp_bias),
      down: linear("mlp.Wo", hidden, intermediate, config.mlp_bias),
    },
  };
}

function norm(
  tensors: CheckpointTensors,
  config: ModernBertConfig,
  attribute: string,
  module: string,
): Record<string, WeightSpec | null> {
  const shape = [config.hidden_size];
  return {
    [attribute]: tensors.dense(`${module}.weight`, shape, "float32"),
    [`${attribute}_bias`]: config.norm_bias ? tensors.dense(`${module}.bias`, shape, "float32") : null,
  };
}

function epsOf(config: ModernBertConfig): number {
  return config.norm_eps ?? 1e-5;
}

function isMean({ classifier_pooling: pooling }: ModernBertConfig): boolean {
  if (pooling != null && pooling !== "cls" && pooling !== "mean")
    throw unsupported("classifier_pooling", `pooling "${pooling}" has no built-in program.`);
  return pooling === "mean";
}

function layerTypes(config: ModernBertConfig): LayerType[] {
  const { num_hidden_layers: layers, hidden_size: hidden, num_attention_heads: heads } = config;
  if (hidden % heads !== 0)
    throw configError(`hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}.`);
  requireEvenHeads(hidden / heads);
  const every = config.global_attn_every_n_layers ?? 3;
  const types =
    config.layer_types ??
    Array.from({ length: layers }, (_, i) => (i % every === 0 ? "full_attention" : "sliding_attention"));
  if (types.length !== layers)
    throw configError(`layer_types has ${types.length} entries for ${layers} layers.`);
  return types.map((type) => {
    if (type === "full_attention" || type === "sliding_attention") return type;
    throw unsupported("layer_types", `layers of type "${type}" have no built-in program.`);
  });
}

/** In the spelling of transformers 5, with parameters for each type of layer, or in that before it. */
function ropeOf(config: ModernBertConfig, type: LayerType): Rope {
  const { global_rope_theta: global, local_rope_theta: local } = config;
  const named = type === "full_attention" ? global : (local ?? global);
  const own = config.rope_parameters?.[type] ?? config.rope_scaling ?? {};
  return readRope(parseRope(own, `rope_parameters.${type}`), {
    headDim: config.hidden_size / config.num_attention_heads,
    theta: named ?? DEFAULT_THETA[type],
    maxPositions: config.max_position_embeddings ?? 8192,
    partialRotaryFactor: 1,
  });
}
