import { activationOf } from "./activations.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import { configError, unsupported } from "./config/errors.js";
import { parseDecoder, parseRope, type DecoderConfig } from "./config/decoder.js";
import type { Config } from "./config/keys.js";
import type { Family, PositionTable, Trunk } from "./family.js";
import { SCORE, scoreHead } from "./heads.js";
import { readRope, ropeStage, type Rope } from "./rope.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** The sizes that every decoder has, read from a config and completed by the family's defaults. */
export interface Decoder {
  config: DecoderConfig;
  /** The same as it stands in config.json, for keys of one family. */
  json: Config;
  tensors: CheckpointTensors;
  /** Of the trunk's tensors: "model." */
  prefix: string;
  hidden: number;
  intermediate: number;
  layers: number;
  qHeads: number;
  kvHeads: number;
  headDim: number;
  eps: number;
  unitOffset: boolean;
  activation: string;
  /** A token sees nothing behind it. */
  causal: boolean;
  /** The head reads the mean of every row, and not one of its tokens. */
  mean: boolean;
}

/** What differs between families of decoders. */
export interface DecoderFamily extends Pick<Family, "classNames" | "modelTypes"> {
  /** The config in Llama's names, where the family has others. */
  asDecoder?: (config: Config) => Config;
  epsKey?: "rms_norm_eps" | "layer_norm_eps" | "layer_norm_epsilon" | "norm_eps";
  /** Values of absent config keys. */
  eps?: number;
  headDim?: number;
  /** Key-value heads; default as many as heads. */
  kvHeads?: number;
  theta?: number;
  activation?: string;
  padTokenId?: number;
  partialRotaryFactor?: number;
  maxPositions?: number;
  /** File in native/programs that holds the class DecoderLayer. */
  program: string;
  /** Of the trunk's tensors, where the checkpoint does not show another; default "model." */
  prefix?: string;
  embedding?: {
    name: string;
    scaled?: boolean;
    /** Default hidden_size. */
    width?: (config: Config) => number | null | undefined;
  };
  /** Modules of the trunk: see Stage.siblings. */
  modules?: (decoder: Decoder) => string[];
  /** Stages between the embedding and the first layer. */
  stem?: (decoder: Decoder) => Stage[];
  /** There is one where the stem looks positions up. */
  positionTable?: (decoder: Decoder) => PositionTable;
  /** The module that the layers are numbered in; default "layers". */
  layers?: string;
  /** Whether the head reads the mean of every row, which `end` then makes. */
  mean?: (config: Config) => boolean;
  /** Stages behind the last layer; default an RMSNorm called "norm". */
  end?: (decoder: Decoder) => Stage[];
  /** Norms of Gemma and Nemotron multiply by 1 + weight. */
  unitOffset?: boolean;
  /** RoPE kinds by suffix of the batch's "cos" and "sin"; absent: one kind from the usual keys. */
  ropes?: (decoder: Decoder) => Record<string, Rope>;
  layer: (decoder: Decoder, index: number) => LayerSpec;
}

/** What the stage of one layer is made of. */
export interface LayerSpec extends Pick<Stage, "attributes" | "weights" | "renames" | "uses" | "buffers"> {
  /** Default the family's program. */
  source?: string;
}

/** A family whose trunk is an embedding, decoder layers with RoPE, and a final norm. */
export function decoderFamily(family: DecoderFamily): Family {
  const { classNames, modelTypes, padTokenId = null } = family;
  return {
    classNames,
    modelTypes,
    padTokenId,
    classifier: { module: SCORE, head: scoreHead, pooling: { rule: "hf" }, inputFormat: "chat" },
    build: (config, tensors) => buildTrunk(family.asDecoder?.(config) ?? config, tensors, family),
  };
}

function buildTrunk(json: Config, tensors: CheckpointTensors, family: DecoderFamily): Trunk {
  const { name: embedding, scaled = false, width } = family.embedding ?? { name: "embed_tokens" };
  const prefix = tensors.prefixOf(`${embedding}.weight`, family.prefix ?? "model.");
  const decoder = readDecoder(json, tensors, family, prefix);
  const { config, hidden, layers, eps } = decoder;
  const tableName = `${prefix}${embedding}.weight`;
  const table = tensors.find(tableName);
  const columns = width?.(json) ?? hidden;
  if (table.shape[0] !== config.vocab_size || table.shape[1] !== columns) {
    throw configError(
      `vocab_size ${config.vocab_size} and hidden_size ${columns} contradict the embedding's shape [${table.shape.join(", ")}].`,
    );
  }
  const norm = { eps: { float: eps }, unit_offset: { bool: decoder.unitOffset } };
  const ropes = family.ropes?.(decoder) ?? { "": commonRope(decoder, family) };
  const siblings = family.modules?.(decoder).map((module) => prefix + module);
  const stages: Stage[] = [
    {
      name: `${prefix}${embedding}`,
      block: false,
      ...(scaled && { buffers: [{ name: "embed_scale", numbers: 1, dtype: "model" }] }),
      ...(siblings && { siblings }),
      source: stageSource("decoder", "Embedding"),
      attributes: { scale: { float: scaled ? Math.sqrt(hidden) : 1 } },
      weights: { weight: tensors.table(tableName, table.shape) },
    },
    ...(family.stem?.(decoder) ?? []),
    ...Object.entries(ropes).map(([suffix, rope]) => ropeStage(`${prefix}rotary_emb`, rope, suffix)),
  ];
  const source = stageSource(family.program, "DecoderLayer");
  for (let i = 0; i < layers; i++) {
    const layer = family.layer(decoder, i);
    const last = { last: { bool: i === layers - 1 && !decoder.mean } };
    stages.push({
      source,
      ...layer,
      name: `${prefix}${family.layers ?? "layers"}.${i}`,
      block: true,
      attributes: { ...norm, ...last, ...layer.attributes },
    });
  }
  stages.push(
    ...(family.end?.(decoder) ?? [
      {
        name: `${prefix}norm`,
        block: false,
        source: stageSource("decoder", "Norm"),
        attributes: norm,
        weights: { weight: tensors.dense(`${prefix}norm.weight`, [hidden], "float32") },
      },
    ]),
  );
  const positionTable = family.positionTable?.(decoder);
  return {
    stages,
    embedding: tableName,
    hidden: columns,
    ...(positionTable
      ? { positionTable }
      : config.max_position_embeddings != null && { maxPositions: config.max_position_embeddings }),
    causal: decoder.causal && !decoder.mean,
    ropes: Object.values(ropes),
  };
}

function readDecoder(
  json: Config,
  tensors: CheckpointTensors,
  family: DecoderFamily,
  prefix: string,
): Decoder {
  const config = parseDecoder(json);
  if (config.use_bidirectional_attention) {
    throw unsupported("use_bidirectional_attention", "bidirectional attention has no built-in program.");
  }
  const { hidden_size: hidden, num_attention_heads: qHeads } = config;
  const given = config.num_key_value_heads;
  const kvHeads = given === undefined ? (family.kvHeads ?? qHeads) : (given ?? qHeads);
  if (qHeads % kvHeads !== 0) {
    throw configError(`num_attention_heads ${qHeads} is not a multiple of num_key_value_heads ${kvHeads}.`);
  }
  const headDim = config.head_dim ?? family.headDim ?? hidden / qHeads;
  if (!Number.isInteger(headDim)) {
    throw configError(`hidden_size ${hidden} is not a multiple of num_attention_heads ${qHeads}.`);
  }
  const act = config.hidden_activation ?? config.hidden_act ?? family.activation ?? "silu";
  return {
    config,
    json,
    tensors,
    prefix,
    hidden,
    intermediate: config.intermediate_size,
    layers: config.num_hidden_layers,
    qHeads,
    kvHeads,
    headDim,
    eps: config[family.epsKey ?? "rms_norm_eps"] ?? family.eps ?? 1e-6,
    unitOffset: family.unitOffset ?? false,
    activation: activationOf(act, "hidden_act"),
    causal: true,
    mean: family.mean?.(json) ?? false,
  };
}

/** One kind of RoPE for all layers: "rope_scaling" beside "rope_theta", or "rope_parameters" with both. */
function commonRope(decoder: Decoder, family: DecoderFamily): Rope {
  const { config } = decoder;
  const parameters = parseRope(config.rope_scaling ?? config.rope_parameters ?? {}, "rope_parameters");
  return readRope(parameters, ropeContext(decoder, config.rope_theta ?? family.theta ?? 10_000, family));
}

export function ropeContext(
  decoder: Decoder,
  theta: number,
  absent: Pick<DecoderFamily, "partialRotaryFactor" | "maxPositions"> = {},
) {
  const { config, headDim } = decoder;
  return {
    headDim,
    theta,
    maxPositions: config.max_position_embeddings ?? absent.maxPositions ?? 2048,
    originalPositions: config.original_max_position_embeddings ?? undefined,
    partialRotaryFactor: config.partial_rotary_factor ?? absent.partialRotaryFactor ?? 1,
  };
}
