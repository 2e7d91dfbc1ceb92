/** Mean and deviation of the rewards of a model in its training. */
export interface RewardStatistics {
  /** What scores have taken from them. */
  mean: number;
  /** What they are divided by then. */
  std: number;
}

/**
 * What OpenRLHF's trainer writes into config.json. Other trainers mean other things by these keys, which are no numbers
 * then; and statistics of a training that diverged are none.
 */
export function readStatistics(config: unknown): RewardStatistics | undefined {
  const { mean, std } = (config ?? {}) as Record<string, unknown>;
  const isNumber = typeof mean === "number" && typeof std === "number" && Number.isFinite(mean + std);
  return isNumber ? { mean, std } : undefined;
}
