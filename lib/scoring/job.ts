import { setImmediate } from "node:timers/promises";
import { RewardModelScoreError, type RowProblem } from "../errors.js";
import type { Columns } from "../rows/columns.js";
import { invalidRows } from "../rows/read.js";
import type { Row } from "../rows/types.js";
import type { Call } from "./call.js";
import { isFailed, type Failed, type Outcome, type Score } from "./outcome.js";
import { outputRow } from "./output-row.js";
import { prepareWindow, type PreparedWindow } from "./prepare.js";
import type { Scorer, ScoringProgress } from "./scorer.js";
import { countOf, prefetch, readWindows } from "./windows.js";

/** Options of `score`, `process` and `stream`. */
export interface ScoreOptions {
  /** Rows that have not run are dropped at once; the batch that runs is finished and discarded. */
  signal?: AbortSignal;
  /**
   * Called after every batch with what has been done so far. What it throws, or what a promise that it returns rejects
   * with, rejects the call; the call waits for such promises.
   */
  onProgress?: (progress: ScoringProgress) => unknown;
}

/** Rows of any type, as a caller passes them. */
export type Rows<R extends object = object> = Iterable<R> | AsyncIterable<R>;

/** A row as it came, and what became of it. */
interface RowOutcome {
  row: Row;
  outcome: Outcome;
}

/** One call of `score`, `process` or `stream`: the way of its rows, window by window, to their outcomes. */
export class ScoringJob {
  constructor(
    private readonly scorer: Scorer,
    private readonly columns: Columns,
    private readonly call: Call<ScoringProgress>,
  ) {}

  /**
   * All scores, or an error.
   *
   * @throws ERR_INVALID_ROWS, ERR_NOT_FINITE
   */
  async scores(rows: Rows): Promise<Score[]> {
    const scores = await this.scorer.track(this.#scores(rows));
    await this.call.answered();
    return scores;
  }

  async #scores(rows: Rows): Promise<Score[]> {
    const scores: (Score | null)[] = [];
    const notFinite: number[] = [];
    for await (const { outcome } of this.#strict(rows)) {
      if (isFailed(outcome)) notFinite.push(scores.length);
      scores.push(isFailed(outcome) ? null : outcome.score);
    }
    if (notFinite.length > 0) throw notFiniteError(notFinite, scores);
    return scores as Score[];
  }

  /**
   * Rows with their scores up to the first one that has none.
   *
   * @throws ERR_INVALID_ROWS, ERR_NOT_FINITE
   */
  async *strict(rows: Rows): AsyncGenerator<Row> {
    let index = 0;
    for await (const { row, outcome } of this.#strict(rows)) {
      if (isFailed(outcome)) throw notFiniteError([index], []);
      yield outputRow(row, outcome, this.columns);
      index++;
    }
    await this.call.answered();
  }

  /** Rows as they come, each with its score or its error. */
  async *tolerant(rows: Rows): AsyncGenerator<Row> {
    const prepared = async function* (this: ScoringJob, signal: AbortSignal) {
      for await (const window of readWindows(rows, signal)) {
        // A stream may be far from its end when the model is unloaded; it is not waited for.
        this.scorer.requireOpen();
        yield this.#prepare(window, 0, signal);
      }
    };
    for await (const { row, outcome } of this.#outcomes(prepared.bind(this), countOf(rows), failedRow)) {
      yield outputRow(row, outcome, this.columns);
    }
    await this.call.answered();
  }

  /** Prepares everything before anything is computed, so that all bad rows are reported at once. */
  async *#strict(rows: Rows): AsyncGenerator<RowOutcome> {
    const { signal } = this.call;
    const windows: PreparedWindow[] = [];
    const problems: RowProblem[] = [];
    let offset = 0;
    for await (const window of readWindows(rows, signal)) {
      const prepared = await this.#prepare(window, offset, signal);
      problems.push(...prepared.problems);
      windows.push(prepared);
      offset += window.length;
    }
    if (problems.length > 0) throw invalidRows(problems);
    yield* this.#outcomes(
      () => windows,
      offset,
      (error) => {
        throw error;
      },
    );
  }

  async #prepare(window: unknown[], offset: number, signal: AbortSignal): Promise<PreparedWindow> {
    // Checking rows is work too: the event loop gets its turn between windows.
    await setImmediate();
    const { scorer, columns } = this;
    return scorer.track(prepareWindow(scorer.model, window, offset, columns, signal));
  }

  /**
   * Runs windows with one in the making ahead of the one that is being read.
   *
   * @param onError makes the outcome of a row that the engine could not compute, or throws
   */
  async *#outcomes(
    windows: (signal: AbortSignal) => AsyncIterable<PreparedWindow> | Iterable<PreparedWindow>,
    totalRows: number | undefined,
    onError: (error: unknown) => Failed,
  ): AsyncGenerator<RowOutcome> {
    const stop = new AbortController();
    const stopped = AbortSignal.any([this.call.signal, stop.signal]);
    const total: ScoringProgress = {
      ...(totalRows !== undefined && { totalRows }),
      rows: 0,
      tokens: 0,
      savedTokens: 0,
      truncatedRows: 0,
      truncatedTokens: 0,
    };
    const run = async function* (this: ScoringJob) {
      for await (const window of windows(stopped)) {
        total.rows += window.rows.filter((row) => isFailed(row)).length;
        total.truncatedRows += window.truncatedRows;
        total.truncatedTokens += window.truncatedTokens;
        const outcomes = this.scorer.run(window.rows, stopped, (done) => {
          total.rows += done.rows;
          total.tokens += done.tokens;
          total.savedTokens += done.savedTokens;
          this.call.tell({ ...total });
        });
        void this.scorer.track(Promise.allSettled(outcomes));
        yield { window, outcomes };
      }
    };
    stopped.throwIfAborted();
    for await (const { window, outcomes } of prefetch(run.call(this), () => stop.abort())) {
      for (const [i, row] of window.source.entries()) {
        const outcome = await outcomes[i]!.catch(onError);
        this.call.signal.throwIfAborted();
        yield { row, outcome };
      }
    }
  }
}

/** Only what concerns this row alone becomes its outcome; anything else ends the stream. */
function failedRow(error: unknown): Failed {
  if (
    RewardModelScoreError.is(error, "ERR_BACKEND") ||
    RewardModelScoreError.is(error, "ERR_OUT_OF_MEMORY")
  ) {
    return { code: error.code, path: "", message: error.message };
  }
  throw error;
}

function notFiniteError(rows: number[], scores: (Score | null)[]): RewardModelScoreError {
  const listed = rows.slice(0, 10).join(", ") + (rows.length > 10 ? ", …" : "");
  return new RewardModelScoreError(
    "ERR_NOT_FINITE",
    `The model's score is not a finite number for ${rows.length === 1 ? "row" : `${rows.length} rows:`} ${listed}. ` +
      `Try torchDtype: "float32"; if it stays, the weights are damaged. stream() keeps the other rows' scores.`,
    { rows, scores },
  );
}
