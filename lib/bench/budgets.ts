/** What one budget of tokens reached. */
export interface BudgetResult {
  maxBatchTokens: number;
  /** Of the rows, whether computed or shared, in the fastest round. */
  tokensPerSecond: number;
  /** Products of the weights with the tokens that were computed, in the fastest round; undefined for archives. */
  flopsPerSecond: number | undefined;
  /** Share of the rows' tokens that were not computed, because rows share them. */
  saved: number;
  /** Most resident memory of the process so far over what it had with the model loaded, in bytes. */
  peakBytes: number;
}

/** Every budget is measured so often; the fastest counts, since nothing but disturbance makes one slower. */
export const ROUNDS = 2;
const SMALLEST = 512;
const LARGEST = 32768;
/** A smaller budget that is slower by no more than this is better: it needs less memory and is cancelled sooner. */
const TOLERANCE = 0.02;

/** The budgets to try, and how many tokens of the sample to try each on. */
export interface Trial {
  budgets: number[];
  tokens: number;
}

/**
 * As many powers of two as the time allows, each with rows for two packs at least.
 *
 * @param tokensPerSecond a first guess of the speed
 * @param available tokens of the sample
 */
export function planTrial(tokensPerSecond: number, seconds: number, available: number): Trial {
  const affordable = (count: number) =>
    Math.min(available, Math.floor((tokensPerSecond * seconds) / (ROUNDS * count)));
  const budgets = [SMALLEST];
  while (budgets.at(-1)! < LARGEST && 4 * budgets.at(-1)! <= affordable(budgets.length + 1)) {
    budgets.push(2 * budgets.at(-1)!);
  }
  return { budgets, tokens: affordable(budgets.length) };
}

/** @param results one at least, by rising budget */
export function recommend(results: readonly BudgetResult[]): BudgetResult {
  const best = Math.max(...results.map(({ tokensPerSecond }) => tokensPerSecond));
  return results.find(({ tokensPerSecond }) => tokensPerSecond >= (1 - TOLERANCE) * best)!;
}
