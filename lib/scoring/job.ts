import { setImmediate } from "node:timers/promises";
import { RewardModelScoreError, type RowProblem } from "../errors.js";
import { invalidRows, type ReadOptions } from "../rows/read.js";
import type { Row } from "../rows/types.js";
import { isFailed, type Failed, type Outcome, type Score } from "./outcome.js";
import { outputRow } from "./output-row.js";
import { prepareWindow, type PreparedWindow } from "./prepare.js";
import type { Scorer, ScoringProgress } from "./scorer.js";
import { prefetch, readWindows } from "./windows.js";

/** Options of `score`, `process` and `stream`. */
export interface ScoreOptions {
  /** Rows that have not run are dropped at once; the batch that runs is finished and discarded. */
  signal?: AbortSignal;
  /** Called after every batch with what has been done so far. */
  onProgress?: (progress: ScoringProgress) => void;
}

/** A row as it came, and what became of it. */
interface RowOutcome {
  row: Row;
  outcome: Outcome;
}

/** One call of `score`, `process` or `stream`: the way of its rows, window by window, to their outcomes. */
export class ScoringJob {
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: ScoreOptions["onProgress"];

  constructor(
    private readonly scorer: Scorer,
    private readonly reading: ReadOptions,
    { signal, onProgress }: ScoreOptions,
  ) {
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /**
   * All scores, or an error.
   *
   * @throws ERR_INVALID_ROWS, ERR_NOT_FINITE
   */
  async scores(rows: Iterable<Row>): Promise<Score[]> {
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
  async *strict(rows: Iterable<Row>): AsyncGenerator<Row> {
    let index = 0;
    for await (const { row, outcome } of this.#strict(rows)) {
      if (isFailed(outcome)) throw notFiniteError([index], []);
      yield outputRow(row, outcome, this.reading.columns);
      index++;
    }
  }

  /** Rows as they come, each with its score or its error. */
  async *tolerant(rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row> {
    const prepared = async function* (this: ScoringJob, signal: AbortSignal) {
      for await (const window of readWindows(rows, signal)) {
        // A stream may be far from its end when the model is unloaded; it is not waited for.
        this.scorer.requireOpen();
        yield this.#prepare(window, 0, signal);
      }
    };
    for await (const { row, outcome } of this.#outcomes(prepared.bind(this))) {
      yield outputRow(row, await outcome.catch(failedRow), this.reading.columns);
    }
  }

  /** Prepares everything before anything is computed, so that all bad rows are reported at once. */
  async *#strict(rows: Iterable<Row>): AsyncGenerator<RowOutcome> {
    const signal = this.#signal ?? new AbortController().signal;
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
    for await (const { row, outcome } of this.#outcomes(() => windows)) yield { row, outcome: await outcome };
  }

  async #prepare(window: unknown[], offset: number, signal: AbortSignal): Promise<PreparedWindow> {
    // Checking rows is work too: the event loop gets its turn between windows.
    await setImmediate();
    const { scorer, reading } = this;
    return scorer.track(prepareWindow(scorer.model, window, offset, reading, signal));
  }

  /** Runs windows with one in the making ahead of the one that is being read. */
  async *#outcomes(
    windows: (signal: AbortSignal) => AsyncIterable<PreparedWindow> | Iterable<PreparedWindow>,
  ): AsyncGenerator<{ row: Row; outcome: Promise<Outcome> }> {
    const stop = new AbortController();
    const stopped = this.#signal ? AbortSignal.any([this.#signal, stop.signal]) : stop.signal;
    const total: ScoringProgress = {
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
          this.#onProgress?.({ ...total });
        });
        void this.scorer.track(Promise.allSettled(outcomes));
        yield { window, outcomes };
      }
    };
    stopped.throwIfAborted();
    for await (const { window, outcomes } of prefetch(run.call(this), () => stop.abort())) {
      for (const [i, row] of window.source.entries()) yield { row, outcome: outcomes[i]! };
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
