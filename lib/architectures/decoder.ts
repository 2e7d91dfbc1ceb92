import type { Attribute, WeightSpec } from "../native/binding.js";
import { activationOf } from "./activations.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import { configError, unsupported } from "./config/errors.js";
import { parseDecoder, parseRope, type DecoderConfig } from "./config/decoder.js";
import type { Family, Trunk } from "./family.js";
import { SCORE, scoreHead } from "./heads.js";
import { readRope, ropeStage, type Rope } from "./rope.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** The sizes that every decoder has, read from a config and completed by the family's defaults. */
export interface Decoder {
  config: DecoderConfig;
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
  activation: string;
  /** A token sees nothing behind it. */
  causal: boolean;
}

/** What differs between families of decoders. */
export interface DecoderFamily extends Pick<Family, "classNames" | "modelTypes"> {
  /** Values of absent config keys. */
  eps?: number;
  headDim?: number;
  theta?: number;
  activation?: string;
  padTokenId?: number;
  /** File in native/programs that holds the class DecoderLayer. */
  program: string;
  embedding?: { name: string; scaled?: boolean };
  /** Gemma's norms multiply by 1 + weight. */
  unitOffset?: boolean;
  /** RoPE kinds by suffix of the batch's "cos" and "sin"; absent: one kind from the usual keys. */
  ropes?: (decoder: Decoder) => Record<string, Rope>;
  layer: (decoder: Decoder, index: number) => LayerSpec;
}

/** What the stage of one layer is made of. */
export type LayerSpec = Pick<Stage, "attributes" | "weights" | "renames" | "uses">;

/** A family whose trunk is an embedding, decoder layers with RoPE, and a final norm. */
export function decoderFamily(family: DecoderFamily): Family {
  const { classNames, modelTypes, padTokenId = null } = family;
  return {
    classNames,
    modelTypes,
    padTokenId,
    classifier: { module: SCORE, head: scoreHead, pooling: { rule: "hf" }, inputFormat: "chat" },
    build: (config, tensors) => buildTrunk(parseDecoder(config), tensors, family),
  };
}

function buildTrunk(config: DecoderConfig, tensors: CheckpointTensors, family: DecoderFamily): Trunk {
  const embedding = family.embedding?.name ?? "embed_tokens";
  const decoder = readDecoder(config, tensors, family, tensors.prefixOf(`${embedding}.weight`, "model."));
  const { prefix, hidden, layers, eps } = decoder;
  const tableName = `${prefix}${embedding}.weight`;
  const table = tensors.find(tableName);
  if (table.shape[0] !== config.vocab_size || table.shape[1] !== hidden) {
    throw configError(
      `vocab_size ${config.vocab_size} and hidden_size ${hidden} contradict the embedding's shape [${table.shape.join(", ")}].`,
    );
  }
  const norm = { eps: { float: eps }, unit_offset: { bool: family.unitOffset ?? false } };
  const ropes = family.ropes?.(decoder) ?? { "": commonRope(decoder, family) };
  const scaled = family.embedding?.scaled ?? false;
  const stages: Stage[] = [
    {
      name: `${prefix}${embedding}`,
      block: false,
      ...(scaled && { buffers: [{ name: "embed_scale", numbers: 1, dtype: "model" }] }),
      source: stageSource("decoder", "Embedding"),
      attributes: { scale: { float: scaled ? Math.sqrt(hidden) : 1 } },
      weights: { weight: tensors.table(tableName, table.shape) },
    },
    ...Object.entries(ropes).map(([suffix, rope]) => ropeStage(`${prefix}rotary_emb`, rope, suffix)),
  ];
  const source = stageSource(family.program, "DecoderLayer");
  for (let i = 0; i < layers; i++) {
    const layer = family.layer(decoder, i);
    const last = { last: { bool: i === layers - 1 } };
    stages.push({
      ...layer,
      name: `${prefix}layers.${i}`,
      block: true,
      source,
      attributes: { ...norm, ...last, ...layer.attributes },
    });
  }
  stages.push({
    name: `${prefix}norm`,
    block: false,
    source: stageSource("decoder", "Norm"),
    attributes: norm,
    weights: { weight: tensors.dense(`${prefix}norm.weight`, [hidden], "float32") },
  });
  return {
    stages,
    embedding: tableName,
    hidden,
    ...(config.max_position_embeddings != null && { maxPositions: config.max_position_embeddings }),
    causal: decoder.causal,
    ropes: Object.values(ropes),
  };
}

function readDecoder(
  config: DecoderConfig,
  tensors: CheckpointTensors,
  family: DecoderFamily,
  prefix: string,
): Decoder {
  if (config.use_bidirectional_attention) {
    throw unsupported("use_bidirectional_attention", "bidirectional attention has no built-in program.");
  }
  const { hidden_size: hidden, num_attention_heads: qHeads } = config;
  const kvHeads = config.num_key_value_heads ?? qHeads;
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
    tensors,
    prefix,
    hidden,
    intermediate: config.intermediate_size,
    layers: config.num_hidden_layers,
    qHeads,
    kvHeads,
    headDim,
    eps: config.rms_norm_eps ?? family.eps ?? 1e-6,
    activation: activationOf(act, "hidden_act"),
    causal: true,
  };
}

/** One kind of RoPE for all layers: "rope_scaling" beside "rope_theta", or "rope_parameters" with both. */
function commonRope(decoder: Decoder, family: DecoderFamily): Rope {
  const { config } = decoder;
  const parameters = parseRope(config.rope_scaling ?? config.rope_parameters ?? {}, "rope_parameters");
  return readRope(parameters, ropeContext(decoder, config.rope_theta ?? family.theta ?? 10_000));
}

export function ropeContext(decoder: Decoder, theta: number) {
  const { config, headDim } = decoder;
  return {
    headDim,
    theta,
    maxPositions: config.max_position_embeddings ?? 2048,
    originalPositions: config.original_max_position_embeddings ?? undefined,
    partialRotaryFactor: config.partial_rotary_factor ?? 1,
  };
}

/** Attributes that all kinds of attention share. */
export function attentionAttributes(
  decoder: Decoder,
  window: number,
  scale = decoder.headDim ** -0.5,
): Record<string, Attribute> {
  return {
    q_heads: { int: decoder.qHeads },
    kv_heads: { int: decoder.kvHeads },
    head_dim: { int: decoder.headDim },
    scale: { float: scale },
    causal: { bool: decoder.causal },
    window: { int: window },
    activation: { string: decoder.activation },
  };
}

/** qkv_proj (q, k and v in one) and o_proj. */
export function attentionWeights(
  decoder: Decoder,
  layer: string,
  bias: { qkv: boolean; o: boolean },
): Record<string, WeightSpec> {
  const { tensors, hidden, headDim, qHeads, kvHeads } = decoder;
  const module = (name: string, heads: number) => ({
    module: `${layer}self_attn.${name}`,
    rows: heads * headDim,
  });
  return {
    qkv_proj: tensors.linear(
      [module("q_proj", qHeads), module("k_proj", kvHeads), module("v_proj", kvHeads)],
      hidden,
      bias.qkv,
    ),
    o_proj: tensors.linear([{ module: `${layer}self_attn.o_proj`, rows: hidden }], qHeads * headDim, bias.o),
  };
}

/** RMSNorms of the heads of q and k, or none. */
export function headNorms(
  decoder: Decoder,
  layer: string,
  present: boolean,
): Record<string, WeightSpec | null> {
  const norm = (name: string) =>
    present ? decoder.tensors.dense(`${layer}self_attn.${name}.weight`, [decoder.headDim], "float32") : null;
  return { q_norm: norm("q_norm"), k_norm: norm("k_norm") };
}

/** gate_up_proj (gate and up in one) and down_proj. */
export function mlpWeights(decoder: Decoder, layer: string, bias: boolean): Record<string, WeightSpec> {
  const { tensors, hidden, intermediate } = decoder;
  const module = (name: string) => ({ module: `${layer}mlp.${name}`, rows: intermediate });
  return {
    gate_up_proj: tensors.linear([module("gate_proj"), module("up_proj")], hidden, bias),
    down_proj: tensors.linear([{ module: `${layer}mlp.down_proj`, rows: hidden }], intermediate, bias),
  };
}

/** RMSNorms of the hidden states, by the names they have in the checkpoint. */
export function layerNorms(decoder: Decoder, layer: string, ...names: string[]): Record<string, WeightSpec> {
  return Object.fromEntries(
    names.map((name) => [name, decoder.tensors.dense(`${layer}${name}.weight`, [decoder.hidden], "float32")]),
  );
}
