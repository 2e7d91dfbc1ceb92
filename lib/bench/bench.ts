import type { EncodedRow } from "../batching/row.js";
import { RewardModelScoreError } from "../errors.js";
import type { NativeBinding } from "../native/binding.js";
import type { OpenModel } from "../scoring/scoring-model.js";
import type { Columns } from "../rows/columns.js";
import { isFailed } from "../scoring/outcome.js";
import { prepareWindow } from "../scoring/prepare.js";
import { planTrial, recommend, ROUNDS, type BudgetResult } from "./budgets.js";
import { describeLengths, type Lengths } from "./lengths.js";
import { firstRows, runRows } from "./measure.js";
import type { Sample } from "./sample.js";

export interface BenchOptions {
  columns: Columns;
  /** CPU threads of the model; 0 = physical cores. */
  threads: number;
  /** Measured alone; undefined tries several. */
  maxBatchTokens: number | undefined;
  /** About how long to measure. */
  seconds: number;
  signal: AbortSignal;
  onProgress: (fraction: number, budget: number) => void;
}

/** What a model does with rows like these on this machine. */
export interface BenchResult {
  rows: { total: number; sampled: number; unreadable: number; truncated: number };
  /** Of the sampled rows that the model can read. */
  lengths: Lengths;
  /** Text to ids, alone on the machine. */
  tokenizedPerSecond: number;
  /** Sum over the devices that compute; undefined where a model is divided and they take turns. */
  ceilingFlopsPerSecond: number | undefined;
  budgets: BudgetResult[];
  recommended: BudgetResult;
  /** For all rows, with the recommended budget. */
  secondsForAll: number;
}

/** Tokens that are run before anything is measured: kernels are chosen and memory is taken in the first packs. */
const WARM_UP_TOKENS = 1024;

/**
 * Measures a loaded model on a sample of rows.
 *
 * @throws ERR_INVALID_ROWS when the model can read none of them
 */
export async function bench(
  binding: NativeBinding,
  model: OpenModel,
  sample: Sample<unknown>,
  options: BenchOptions,
): Promise<BenchResult> {
  const { signal, columns, onProgress } = options;
  const loaded = process.memoryUsage.rss();
  const started = performance.now();
  const window = await prepareWindow(model, sample.rows, 0, columns, signal);
  const tokenizing = (performance.now() - started) / 1000;
  const rows = window.rows.filter((row): row is EncodedRow => !isFailed(row));
  if (rows.length === 0) {
    const message = `None of the ${sample.rows.length} sampled rows can be scored: ${window.problems[0]?.message ?? "there are none."}`;
    throw new RewardModelScoreError("ERR_INVALID_ROWS", message, { problems: window.problems });
  }
  const lengths = describeLengths(rows.map(({ fields }) => fields.ids.length));

  const warmUp = firstRows(rows, WARM_UP_TOKENS);
  await runRows(model, warmUp, model.maxBatchTokens, signal);
  const first = await runRows(model, warmUp, model.maxBatchTokens, signal);
  const trial = planTrial(first.tokens / first.seconds, options.seconds, lengths.tokens);
  const tried = firstRows(rows, trial.tokens);

  const budgets: BudgetResult[] = [];
  const given = options.maxBatchTokens === undefined ? trial.budgets : [options.maxBatchTokens];
  for (const maxBatchTokens of given) {
    const runs = [];
    for (let round = 0; round < ROUNDS; round++) {
      onProgress((budgets.length + round / ROUNDS) / given.length, maxBatchTokens);
      runs.push(await runRows(model, tried, maxBatchTokens, signal));
    }
    const { seconds, tokens, computedTokens } = runs.reduce((best, run) =>
      run.seconds < best.seconds ? run : best,
    );
    budgets.push({
      maxBatchTokens,
      tokensPerSecond: tokens / seconds,
      flopsPerSecond: model.weightsPerToken && (2 * model.weightsPerToken * computedTokens) / seconds,
      saved: 1 - computedTokens / tokens,
      peakBytes: Math.max(0, process.resourceUsage().maxRSS * 1024 - loaded),
    });
  }
  // Not before: its matrices would count as memory of the model.
  const ceilingFlopsPerSecond = await ceiling(binding, model, options.threads);
  const recommended = recommend(budgets);
  const tokenizedPerSecond = lengths.tokens / tokenizing;
  // Both run side by side: the slower one decides.
  const slower = Math.min(recommended.tokensPerSecond, tokenizedPerSecond);
  const readable = rows.length / sample.rows.length;
  return {
    rows: {
      total: sample.total,
      sampled: sample.rows.length,
      unreadable: sample.rows.length - rows.length,
      truncated: window.truncatedRows,
    },
    lengths,
    tokenizedPerSecond,
    ceilingFlopsPerSecond,
    budgets,
    recommended,
    secondsForAll: (sample.total * readable * lengths.mean) / slower,
  };
}

async function ceiling(
  binding: NativeBinding,
  { native }: OpenModel,
  threads: number,
): Promise<number | undefined> {
  if (native.states.some(({ devices }) => devices.length !== 1)) return undefined;
  let sum = 0;
  for (const { devices } of native.states) {
    sum += await binding.productRate({ device: devices[0]!, dtype: native.dtype, threads });
  }
  return sum;
}
