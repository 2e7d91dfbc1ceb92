/** Tokens of rows. */
export interface Lengths {
  rows: number;
  tokens: number;
  mean: number;
  min: number;
  median: number;
  p95: number;
  max: number;
}

/** @param lengths one at least */
export function describeLengths(lengths: readonly number[]): Lengths {
  const sorted = lengths.toSorted((a, b) => a - b);
  const tokens = sorted.reduce((sum, length) => sum + length, 0);
  // Nearest rank.
  const quantile = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
  return {
    rows: sorted.length,
    tokens,
    mean: tokens / sorted.length,
    min: sorted[0]!,
    median: quantile(0.5),
    p95: quantile(0.95),
    max: sorted.at(-1)!,
  };
}
