import type { Attribute, WeightSpec } from "../native/binding.js";
import { activationOf } from "./activations.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import { parseBert, type BertConfig } from "./config/encoder.js";
import { configError, unsupported } from "./config/errors.js";
import type { Config } from "./config/keys.js";
import type { Family, PositionTable, Trunk } from "./family.js";
import { layerNorm } from "./layer-norm.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** The sizes that every encoder of BERT's kind has, read from a config and completed by the family's defaults. */
export interface Encoder {
  config: BertConfig;
  tensors: CheckpointTensors;
  /** Of the trunk's tensors: "bert." */
  prefix: string;
  hidden: number;
  heads: number;
  headDim: number;
  layers: number;
  intermediate: number;
  eps: number;
  activation: string;
  /** The config says that a token sees nothing behind it. */
  causal: boolean;
}

/** What differs between families of encoders. */
export interface EncoderFamily extends Pick<
  Family,
  "classNames" | "modelTypes" | "padTokenId" | "classifier"
> {
  /** The config in BERT's names, where the family has others. */
  asBert?: (config: Config) => Config;
  /** Of the trunk's tensors, where the checkpoint does not show another. */
  prefix: string;
  /** Values of absent config keys; without one of `embeddingSize`, embeddings are as wide as the layers. */
  activation?: string;
  typeCount?: number;
  embeddingSize?: number | "hidden";
  /** The family's layers can be those of a decoder: `is_decoder` is read. */
  mayBeCausal?: boolean;
  /** Positions are counted as RoBERTa does: behind the pad id, without the tokens that are padding. */
  countsFromPad?: boolean;
  eps?: number;
  /** What makes embeddings as wide as the layers, if there is something for embeddings of this width. */
  projection?: (embeddingSize: number, hidden: number) => Projection | undefined;
  /** Whether positions are added to the embeddings; default yes. */
  addsPositions?: (config: Config) => boolean;
  /** Whether a later stage reads the embeddings too. */
  keepsEmbeddings?: (config: Config) => boolean;
  /** The layers, in order. */
  stages: (encoder: Encoder, config: Config) => Stage[];
}

/** A linear between the tables and the layers. */
export interface Projection {
  /** Below the trunk. */
  module: string;
  bias: boolean;
  /** It stands before the norm. */
  first: boolean;
}

/** A family whose trunk is the sum of tables, and layers in which norms stand behind the blocks. */
export function encoderFamily(family: EncoderFamily): Family {
  const { classNames, modelTypes, padTokenId, classifier } = family;
  return {
    classNames,
    modelTypes,
    padTokenId,
    classifier,
    build: (config, tensors) => buildTrunk(family.asBert?.(config) ?? config, tensors, family),
  };
}

const WORDS = "embeddings.word_embeddings.weight";

function buildTrunk(json: Config, tensors: CheckpointTensors, family: EncoderFamily): Trunk {
  const encoder = readEncoder(parseBert(json), tensors, family);
  const { config, prefix, hidden } = encoder;
  const positions = family.addsPositions?.(json) ?? true;
  const embeddings = embeddingStage(encoder, family, {
    positions,
    kept: family.keepsEmbeddings?.(json) ?? false,
  });
  const typeCount = config.type_vocab_size ?? family.typeCount ?? 0;
  return {
    stages: [embeddings, ...family.stages(encoder, json)],
    embedding: `${prefix}${WORDS}`,
    hidden,
    ...(positions
      ? { positionTable: positionTable(encoder, family) }
      : { maxPositions: config.max_position_embeddings ?? 512 }),
    causal: encoder.causal,
    ...(typeCount > 1 && { tokenFields: { token_types: typeCount } }),
    ropes: [],
  };
}

function positionTable({ config }: Encoder, family: EncoderFamily): PositionTable {
  const rows = config.max_position_embeddings ?? 512;
  return family.countsFromPad ? { rows, countsFrom: padOf(config, family) } : { rows };
}

function embeddingStage(
  encoder: Encoder,
  family: EncoderFamily,
  { positions, kept }: { positions: boolean; kept: boolean },
): Stage {
  const { config, tensors, prefix, hidden, eps } = encoder;
  const width = embeddingSize(config, family);
  const typeCount = config.type_vocab_size ?? family.typeCount ?? 0;
  const name = `${prefix}embeddings`;
  const table = (module: string, rows: number) =>
    tensors.table(`${name}.${module}_embeddings.weight`, [rows, width]);
  const projection = family.projection?.(width, hidden);
  return {
    name,
    block: true,
    source: stageSource("encoder", "Embeddings"),
    attributes: {
      eps: { float: eps },
      reads_types: { bool: typeCount > 1 },
      projects_first: { bool: projection?.first ?? false },
      kept: { bool: kept },
      counts_from: { int: family.countsFromPad ? padOf(config, family) : -1 },
    },
    weights: {
      words: table("word", config.vocab_size),
      types: typeCount > 0 ? table("token_type", typeCount) : null,
      positions: positions ? table("position", positionTable(encoder, family).rows) : null,
      ...layerNorm(tensors, "norm", `${name}.LayerNorm`, projection?.first ? hidden : width),
      projection: projection
        ? tensors.linear([{ module: `${prefix}${projection.module}`, rows: hidden }], width, projection.bias)
        : null,
    },
  };
}

/** Width of the tables. */
function embeddingSize(config: BertConfig, family: EncoderFamily): number {
  if (family.embeddingSize === undefined) return config.hidden_size;
  const absent = family.embeddingSize === "hidden" ? config.hidden_size : family.embeddingSize;
  return config.embedding_size ?? absent;
}

function padOf(config: BertConfig, { padTokenId }: EncoderFamily): number {
  return config.pad_token_id ?? padTokenId ?? 0;
}

function readEncoder(config: BertConfig, tensors: CheckpointTensors, family: EncoderFamily): Encoder {
  const { hidden_size: hidden, num_attention_heads: heads, position_embedding_type: positions } = config;
  if (hidden % heads !== 0) {
    throw configError(`hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}.`);
  }
  requireEvenHeads(hidden / heads);
  if (positions != null && positions !== "absolute") {
    throw unsupported(
      "position_embedding_type",
      `positions of type "${positions}" have no built-in program.`,
    );
  }
  return {
    config,
    tensors,
    prefix: tensors.prefixOf(WORDS, family.prefix),
    hidden,
    heads,
    headDim: hidden / heads,
    layers: config.num_hidden_layers,
    intermediate: config.intermediate_size,
    eps: config.layer_norm_eps ?? family.eps ?? 1e-12,
    activation: activationOf(config.hidden_act ?? family.activation ?? "gelu", "hidden_act"),
    causal: (family.mayBeCausal && config.is_decoder) ?? false,
  };
}

/** @throws ERR_NOT_SUPPORTED for what the kernels of attention do not take */
export function requireEvenHeads(size: number): void {
  if (size % 2 !== 0)
    throw unsupported(
      "num_attention_heads",
      `heads of ${size} channels, an odd number, have no built-in program.`,
    );
}

/** What the parts of a layer are called below it. */
export interface LayerNames {
  query: string;
  key: string;
  value: string;
  out: string;
  attentionNorm: string;
  up: string;
  down: string;
  norm: string;
}

/**
 * Layers one after the other, `module` and a number each.
 *
 * @param own what the layers of another program than the common one read beside what all do
 */
export function layerStages(
  encoder: Encoder,
  module: string,
  names: LayerNames,
  own?: { program: string; layer: (name: string) => Pick<Stage, "attributes" | "weights" | "uses"> },
): Stage[] {
  return Array.from({ length: encoder.layers }, (_, i): Stage => {
    const name = `${encoder.prefix}${module}.${i}`;
    const more = own?.layer(name);
    return {
      name,
      block: true,
      source: stageSource(own?.program ?? "encoder", "EncoderLayer"),
      attributes: {
        ...layerAttributes(encoder),
        last: { bool: i === encoder.layers - 1 },
        ...more?.attributes,
      },
      weights: { ...layerWeights(encoder, name, names), ...more?.weights },
      ...(more?.uses && { uses: more.uses }),
    };
  });
}

export function layerAttributes(encoder: Encoder): Record<string, Attribute> {
  return {
    heads: { int: encoder.heads },
    head_dim: { int: encoder.headDim },
    scale: { float: encoder.headDim ** -0.5 },
    causal: { bool: encoder.causal },
    eps: { float: encoder.eps },
    activation: { string: encoder.activation },
  };
}

export function layerWeights(
  encoder: Encoder,
  layer: string,
  names: LayerNames,
): Record<string, WeightSpec | null> {
  const { tensors, hidden, intermediate } = encoder;
  const linear = (modules: string[], rows: number, columns: number) =>
    tensors.linear(
      modules.map((module) => ({ module: `${layer}.${module}`, rows })),
      columns,
      true,
    );
  return {
    qkv: linear([names.query, names.key, names.value], hidden, hidden),
    out: linear([names.out], hidden, hidden),
    ...layerNorm(tensors, "attention_norm", `${layer}.${names.attentionNorm}`, hidden),
    up: linear([names.up], intermediate, hidden),
    down: linear([names.down], hidden, intermediate),
    ...layerNorm(tensors, "norm", `${layer}.${names.norm}`, hidden),
  };
}
