import type { WeightSpec } from "../native/binding.js";
import type { Program, Stage } from "./stage.js";

/**
 * Weights that every token of a row is multiplied with: those of all linears but the head's, which few tokens reach.
 * Of a mixture of experts, those that a token is sent to. Each is one multiplication and one addition.
 */
export function weightsPerToken({ stages }: Program): number {
  return stages.slice(0, -1).reduce((sum, stage) => sum + stageWeights(stage), 0);
}

function stageWeights({ weights, uses = {} }: Stage): number {
  return Object.entries(weights).reduce((sum, [attribute, entry]) => {
    const size = [entry].flat().reduce((all, weight) => all + linearSize(weight), 0);
    return sum + size * (uses[attribute] ?? 1);
  }, 0);
}

function linearSize(weight: WeightSpec | null): number {
  return weight?.kind === "linear" ? weight.shape.reduce((size, length) => size * length, 1) : 0;
}
