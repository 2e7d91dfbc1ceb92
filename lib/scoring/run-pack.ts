import { RewardModelScoreError } from "../errors.js";
import type { EncodedRow } from "../batching/row.js";
import type { Pack } from "../batching/packed.js";
import type { BatchScores, NativeModel } from "../native/binding.js";

/** Scores of the rows of one pack, in the order of `pack.rows`. */
export interface PackResult {
  pack: Pack;
  scores: BatchScores;
}

/**
 * Runs a pack. If it fails for want of memory or inside the model, its rows are planned again in halves, so that one
 * row that cannot be computed never takes its neighbours with it.
 *
 * @returns one result for every pack that ran, or the error with the row that caused it
 */
export async function runPack(
  native: NativeModel,
  pack: Pack,
  rows: readonly EncodedRow[],
  plan: (rows: readonly EncodedRow[]) => Pack[],
): Promise<(PackResult | { row: number; error: RewardModelScoreError })[]> {
  try {
    return [{ pack, scores: await native.forward(pack.batch) }];
  } catch (error) {
    if (
      !RewardModelScoreError.is(error, "ERR_OUT_OF_MEMORY") &&
      !RewardModelScoreError.is(error, "ERR_BACKEND")
    ) {
      throw error;
    }
    if (pack.rows.length === 1) return [{ row: pack.rows[0]!, error }];
  }
  const middle = pack.rows.length >> 1;
  const halves = [pack.rows.slice(0, middle), pack.rows.slice(middle)];
  const results: Awaited<ReturnType<typeof runPack>> = [];
  for (const half of halves) {
    for (const smaller of plan(half.map((row) => rows[row]!))) {
      const renamed = { ...smaller, rows: smaller.rows.map((index) => half[index]!) };
      results.push(...(await runPack(native, renamed, rows, plan)));
    }
  }
  return results;
}
