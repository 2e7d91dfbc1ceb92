import type { EncodedRow } from "../batching/row.js";
import type { OpenModel } from "../scoring/scoring-model.js";
import { Scorer, type Done } from "../scoring/scorer.js";

/** One run of rows through the model. */
export interface Run {
  seconds: number;
  /** Of the rows. */
  tokens: number;
  computedTokens: number;
}

/**
 * Scores rows with a budget of tokens and forgets the scores.
 *
 * @throws the engine's error if a row cannot be computed
 */
export async function runRows(
  model: OpenModel,
  rows: readonly EncodedRow[],
  maxBatchTokens: number,
  signal: AbortSignal,
): Promise<Run> {
  let computedTokens = 0;
  const add = ({ tokens }: Done) => (computedTokens += tokens);
  const start = performance.now();
  await Promise.all(new Scorer({ ...model, maxBatchTokens }).run(rows, signal, add));
  return {
    seconds: (performance.now() - start) / 1000,
    tokens: rows.reduce((sum, { fields }) => sum + fields.ids.length, 0),
    computedTokens,
  };
}

/** The first rows that have so many tokens together, one row at least. */
export function firstRows(rows: readonly EncodedRow[], tokens: number): EncodedRow[] {
  let sum = 0;
  return rows.filter(({ fields }, index) => (sum += fields.ids.length) <= tokens || index === 0);
}
