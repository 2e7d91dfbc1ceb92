/**
 * Batches for archives, which run on right-padded rows.
 *
 * Rows of similar length go together and a batch never holds more than `budget` padded tokens
 * (rows × longest row), except that a single row may be longer than the budget.
 *
 * @param lengths tokens of each row
 * @param budget padded tokens per batch
 * @param canPad false when the model has no pad token: then only rows of equal length share a batch
 * @returns row indexes of each batch, longest rows first, so that running out of memory happens at the start
 */
export function planPaddedBatches(lengths: readonly number[], budget: number, canPad: boolean): number[][] {
  const order = lengths.map((_, row) => row).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const batches: number[][] = [];
  let current: number[] = [];
  for (const row of order) {
    const longest = current.length > 0 ? lengths[current[0]!]! : 0;
    const fits = (current.length + 1) * longest <= budget && (canPad || lengths[row] === longest);
    if (current.length > 0 && !fits) {
      batches.push(current);
      current = [];
    }
    current.push(row);
  }
  if (current.length > 0) batches.push(current);
  return batches;
}
