import type { WeightSpec } from "../native/binding.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import type { Decoder } from "./decoder.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** What a LayerNorm has of its own; some have neither. */
export interface LayerNormParts {
  weight: boolean;
  bias: boolean;
}

export const WEIGHT_AND_BIAS: LayerNormParts = { weight: true, bias: true };
export const NOTHING: LayerNormParts = { weight: false, bias: false };

/** Weight and bias of a LayerNorm as attributes of a stage. */
export function layerNorm(
  tensors: CheckpointTensors,
  attribute: string,
  module: string,
  width: number,
  { weight, bias }: LayerNormParts = WEIGHT_AND_BIAS,
): Record<string, WeightSpec | null> {
  return {
    [attribute]: weight ? tensors.dense(`${module}.weight`, [width], "float32") : null,
    [`${attribute}_bias`]: bias ? tensors.dense(`${module}.bias`, [width], "float32") : null,
  };
}

/** The LayerNorm behind the last layer. */
export function finalLayerNorm(decoder: Decoder, module: string, parts?: LayerNormParts): Stage {
  const name = `${decoder.prefix}${module}`;
  return {
    name,
    block: false,
    source: stageSource("decoder", "LayerNorm"),
    attributes: {
      eps: { float: decoder.eps },
      mean: { bool: decoder.mean },
      unit_offset: { bool: decoder.unitOffset },
    },
    weights: layerNorm(decoder.tensors, "weight", name, decoder.hidden, parts),
  };
}
