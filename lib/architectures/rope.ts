import { configError, unsupported } from "./config/errors.js";
import type { RopeConfig } from "./config/decoder.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** What the formulas of transformers' modeling_rope_utils need beside the RoPE parameters themselves. */
export interface RopeContext {
  headDim: number;
  maxPositions: number;
  /** config.original_max_position_embeddings; it wins over the one among the RoPE parameters. */
  originalPositions?: number | undefined;
  theta: number;
  partialRotaryFactor: number;
}

/** Parameters of the stage RotaryEmbedding. What a type does not use stays at a value without effect. */
export interface Rope {
  type: "default" | "linear" | "dynamic" | "llama3" | "yarn" | "longrope";
  /** Channels of a head that are rotated. */
  dim: number;
  theta: number;
  factor: number;
  /** Positions of the original training. */
  original: number;
  low: number;
  high: number;
  attentionFactor: number;
  shortFactor: readonly number[];
  longFactor: readonly number[];
}

export function readRope(config: RopeConfig, context: RopeContext): Rope {
  const dim = Math.trunc(context.headDim * (config.partial_rotary_factor ?? context.partialRotaryFactor));
  if (dim < 2 || dim % 2 !== 0)
    throw configError(`RoPE cannot rotate ${dim} of ${context.headDim} channels.`);
  const rope: Rope = {
    type: "default",
    dim,
    theta: config.rope_theta ?? context.theta,
    factor: 1,
    original: context.maxPositions,
    low: 0,
    high: 1,
    attentionFactor: 1,
    shortFactor: [],
    longFactor: [],
  };
  const original =
    context.originalPositions ?? config.original_max_position_embeddings ?? context.maxPositions;
  const type = config.rope_type ?? config.type ?? "default";
  switch (type) {
    case "default":
      return rope;
    case "linear":
      return { ...rope, type, factor: required(config.factor, "factor", type) };
    case "dynamic":
      if (dim === 2) throw configError("RoPE of type dynamic needs more than 2 rotated channels.");
      return { ...rope, type, factor: required(config.factor, "factor", type) };
    case "llama3": {
      const low = required(config.low_freq_factor, "low_freq_factor", type);
      const high = required(config.high_freq_factor, "high_freq_factor", type);
      if (low === high) throw configError("RoPE: low_freq_factor and high_freq_factor are equal.");
      return { ...rope, type, original, factor: required(config.factor, "factor", type), low, high };
    }
    case "yarn":
      return { ...rope, type, original, ...yarn(config, dim, rope.theta, original, context.maxPositions) };
    case "su":
    case "longrope":
      return {
        ...rope,
        type: "longrope",
        original,
        ...longrope(config, dim, original, context.maxPositions),
      };
    default:
      throw unsupported("rope_type", `RoPE of type "${type}" has no built-in program.`);
  }
}

function yarn(config: RopeConfig, dim: number, theta: number, original: number, maxPositions: number) {
  const factor = config.factor ?? maxPositions / original;
  const mscale = (scale: number, m = 1) => (scale <= 1 ? 1 : 0.1 * m * Math.log(scale) + 1);
  const attentionFactor =
    config.attention_factor ??
    (config.mscale && config.mscale_all_dim
      ? mscale(factor, config.mscale) / mscale(factor, config.mscale_all_dim)
      : mscale(factor));
  const channel = (rotations: number) =>
    (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  let low = channel(config.beta_fast ?? 32);
  let high = channel(config.beta_slow ?? 1);
  if (config.truncate ?? true) {
    low = Math.floor(low);
    high = Math.ceil(high);
  }
  low = Math.max(low, 0);
  high = Math.min(high, dim - 1);
  if (low === high) high += 0.001;
  return { factor, attentionFactor, low, high };
}

function longrope(config: RopeConfig, dim: number, original: number, maxPositions: number) {
  const shortFactor = required(config.short_factor, "short_factor", "longrope");
  const longFactor = required(config.long_factor, "long_factor", "longrope");
  if (shortFactor.length !== dim / 2 || longFactor.length !== dim / 2) {
    throw configError(`RoPE: short_factor and long_factor need ${dim / 2} numbers each.`);
  }
  const factor = config.factor ?? maxPositions / original;
  const attentionFactor =
    config.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
  return { shortFactor, longFactor, attentionFactor };
}

function required<T>(value: T | null | undefined, key: string, type: string): T {
  if (value === null || value === undefined) throw configError(`RoPE of type ${type} needs "${key}".`);
  return value;
}

/**
 * The stage that computes cos and sin; `suffix` tells kinds apart where layers use several.
 *
 * @param module the one rotary embedding that transformers' model has for all kinds
 */
export function ropeStage(module: string, rope: Rope, suffix: string): Stage {
  const frequencies = { numbers: rope.dim / 2, dtype: "float32" } as const;
  return {
    name: module + suffix,
    module,
    block: false,
    registeredLast: true,
    // The frequencies, and a copy that a scaling by length starts from.
    buffers: [
      { name: "inv_freq", ...frequencies },
      { name: "original_inv_freq", ...frequencies },
    ],
    source: stageSource("decoder", "RotaryEmbedding"),
    attributes: {
      suffix: { string: suffix },
      type: { string: rope.type },
      dim: { int: rope.dim },
      theta: { float: rope.theta },
      factor: { float: rope.factor },
      original: { int: rope.original },
      low: { float: rope.low },
      high: { float: rope.high },
      attention_factor: { float: rope.attentionFactor },
      short_factor: { floats: [...rope.shortFactor] },
      long_factor: { floats: [...rope.longFactor] },
    },
    weights: {},
  };
}

/** Equal for row lengths at which a token's rotation is the same. */
export function ropeClass(ropes: readonly Rope[], rowLength: number): number {
  const dynamic = ropes.filter((rope) => rope.type === "dynamic");
  if (dynamic.some((rope) => rowLength > rope.original)) return rowLength;
  const exceeded = ropes.filter((rope) => rope.type === "longrope" && rowLength > rope.original).length;
  return exceeded === 0 ? 0 : -exceeded;
}
