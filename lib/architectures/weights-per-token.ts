import type { ProgramSpec, StageSpec, WeightSpec } from "../native/binding.js";

/**
 * Weights that every token of a row is multiplied with: those of all linears but the head's, which few tokens reach.
 * Of a mixture of experts, those that a token is sent to. Each is one multiplication and one addition.
 */
export function weightsPerToken({ stages }: ProgramSpec): number {
  return stages.slice(0, -1).reduce((sum, stage) => sum + stageWeights(stage), 0);
}

function stageWeights({ weights, attributes }: StageSpec): number {
  return Object.values(weights).reduce((sum, weight) => {
    if (!Array.isArray(weight)) return sum + linearSize(weight);
    const size = weight.reduce((all, expert) => all + linearSize(expert), 0);
    return sum + (size * (attributes["experts_per_token"] as { int: number }).int) / weight.length;
  }, 0);
}

function linearSize(weight: WeightSpec | null): number {
  return weight?.kind === "linear" ? weight.shape.reduce((size, length) => size * length, 1) : 0;
}
