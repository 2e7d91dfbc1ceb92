import type { RewardStatistics } from "../architectures/statistics.js";
import { RewardModelScoreError } from "../errors.js";
import type { ResolvedOptions } from "../options.js";
import type { ModelSource } from "./sources/source.js";

/**
 * What scores are normalised with: undefined where they stay raw.
 *
 * @throws ERR_INVALID_OPTION where the model has no statistics, or none that divide
 */
export function normalizationOf(
  { normalize, model }: Pick<ResolvedOptions, "normalize" | "model">,
  { statistics }: Pick<ModelSource, "statistics">,
): RewardStatistics | undefined {
  if (normalize === "none") return undefined;
  if (statistics && statistics.std > 0) return statistics;
  const what = statistics
    ? `has the deviation ${statistics.std}, by which nothing can be divided`
    : "has no mean and std that are numbers, which OpenRLHF writes there";
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `normalize: "model" (--normalize model) cannot be honoured: config.json of ${model} ${what}. Leave the option out ` +
      "for raw scores.",
    { option: "normalize" },
  );
}
