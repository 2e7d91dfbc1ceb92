import type { WeightSpec } from "../../native/binding.js";
import { parseMoe, type MoeConfig } from "../config/moe.js";
import {
  attentionAttributes,
  attentionWeights,
  headNorms,
  layerNorms,
  mlpWeights,
} from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder, LayerSpec } from "../decoder.js";
import { expertWeights } from "../experts.js";
import { stageSource } from "../sources.js";
import { isSliding, windowOr } from "./windows.js";

interface QwenMoe {
  window: number;
  bias: { qkv: boolean; o: boolean };
  qkNorm: boolean;
  /** Values of absent keys. */
  experts: number;
  perToken: number;
  intermediate: number;
  /** Of the expert that every token meets, weighted by a gate of its own; absent: there is none. */
  shared?: number;
}

/** Qwen's layers: experts on every so manieth layer, and an MLP of the usual kind on the others. */
function qwenMoeLayer(decoder: Decoder, index: number, options: QwenMoe): LayerSpec {
  const config = parseMoe(decoder.json);
  const layer = `${decoder.prefix}layers.${index}.`;
  const attention = {
    ...layerNorms(decoder, layer, "input_layernorm", "post_attention_layernorm"),
    ...attentionWeights(decoder, layer, options.bias),
    ...headNorms(decoder, layer, options.qkNorm),
  };
  const attributes = attentionAttributes(decoder, options.window);
  const count = config.num_experts ?? config.num_local_experts ?? options.experts;
  if (!isSparse(config, count, index)) {
    return {
      source: stageSource("llama", "DecoderLayer"),
      attributes,
      weights: { ...attention, ...mlpWeights(decoder, layer, false) },
    };
  }
  const experts = expertWeights(decoder, layer, {
    count,
    perToken: config.num_experts_per_tok ?? options.perToken,
    intermediate: config.moe_intermediate_size ?? options.intermediate,
    module: "mlp.",
    names: { gate: "gate_proj", up: "up_proj", down: "down_proj" },
  });
  return {
    ...experts,
    attributes: {
      ...attributes,
      ...experts.attributes,
      shares_sum_to_1: { bool: config.norm_topk_prob ?? false },
    },
    weights: { ...attention, ...experts.weights, ...sharedExpert(decoder, layer, config, options.shared) },
  };
}

function isSparse(config: MoeConfig, experts: number, index: number): boolean {
  const step = config.decoder_sparse_step ?? 1;
  return experts > 0 && !config.mlp_only_layers?.includes(index) && (index + 1) % step === 0;
}

function sharedExpert(
  { tensors, hidden }: Decoder,
  layer: string,
  config: MoeConfig,
  absent: number | undefined,
): Record<string, WeightSpec | null> {
  if (absent === undefined) return { shared_gate: null, shared_gate_up: null, shared_down: null };
  const rows = config.shared_expert_intermediate_size ?? absent;
  const module = (name: string) => `${layer}mlp.shared_expert.${name}`;
  return {
    shared_gate: tensors.linear([{ module: `${layer}mlp.shared_expert_gate`, rows: 1 }], hidden, false),
    shared_gate_up: tensors.linear(
      [
        { module: module("gate_proj"), rows },
        { module: module("up_proj"), rows },
      ],
      hidden,
      false,
    ),
    shared_down: tensors.linear([{ module: module("down_proj"), rows: hidden }], rows, false),
  };
}

export const qwen2Moe = decoderFamily({
  classNames: ["Qwen2Moe"],
  modelTypes: ["qwen2_moe"],
  program: "moe",
  layer(decoder, index) {
    const { use_sliding_window, max_window_layers } = decoder.config;
    const sliding = isSliding(decoder, index) ?? (index % 2 === 0 && index < (max_window_layers ?? 28));
    return qwenMoeLayer(decoder, index, {
      window: use_sliding_window && sliding ? windowOr(decoder, 4096) : 0,
      bias: { qkv: parseMoe(decoder.json).qkv_bias ?? true, o: false },
      qkNorm: false,
      experts: 60,
      perToken: 4,
      intermediate: 1408,
      shared: 5632,
    });
  },
});

export const qwen3Moe = decoderFamily({
  classNames: ["Qwen3Moe"],
  modelTypes: ["qwen3_moe"],
  program: "moe",
  layer(decoder, index) {
    const { use_sliding_window, attention_bias } = decoder.config;
    const bias = attention_bias ?? false;
    return qwenMoeLayer(decoder, index, {
      window: use_sliding_window ? windowOr(decoder, 4096) : 0,
      bias: { qkv: bias, o: bias },
      qkNorm: true,
      experts: 128,
      perToken: 8,
      intermediate: 768,
    });
  },
});
