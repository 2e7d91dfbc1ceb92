/// <reference lib="esnext.disposable" preserve="true" />
import { setImmediate } from "node:timers/promises";
import type { DeviceMap } from "./device-map/infer.js";
import { RewardModelScoreError, type RowProblem } from "./errors.js";
import { openModel, type LoadProgress } from "./model/open-model.js";
import { resolveOptions, type ResolvedOptions, type RewardModelScoreOptions } from "./options.js";
import { resolveColumns } from "./rows/columns.js";
import { invalidRows, type ReadOptions } from "./rows/read.js";
import type { Row } from "./rows/types.js";
import { withScore } from "./rows/write.js";
import { isFailed, type Failed, type Outcome, type Score } from "./scoring/outcome.js";
import { prepareWindow, type PreparedWindow } from "./scoring/prepare.js";
import type { ReplicaState } from "./scoring/replicas.js";
import { Scorer, type ScoringProgress } from "./scoring/scorer.js";
import { prefetch, readWindows } from "./scoring/windows.js";

/** Options of `load`. */
export interface LoadOptions {
  /** Stops downloads and gives the model up; what has arrived is kept for the next time. */
  signal?: AbortSignal;
  /** Called with news of downloads and of the weights. */
  onProgress?: (progress: LoadProgress) => void;
}

/** Options of `score`, `process` and `stream`. */
export interface ScoreOptions {
  /** Rows that have not run are dropped at once; the batch that runs is finished and discarded. */
  signal?: AbortSignal;
  /** Called after every batch with what has been done so far. */
  onProgress?: (progress: ScoringProgress) => void;
}

/** A row of the input with the columns that scoring adds. */
export type ScoredRow<R extends Row = Row> = R & Record<string, unknown>;

/**
 * Gives rows the score of a reward model.
 *
 * ```ts
 * await using step = new RewardModelScore({ model: "demo" });
 * await step.load();
 * const scores = await step.score([{ instruction: "How much is 2+2?", response: "4" }]);
 * ```
 *
 * Every method rejects with a `RewardModelScoreError`, or with `signal.reason` when the signal was aborted.
 */
export class RewardModelScore implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #reading: ReadOptions;
  #loading: Promise<void> | undefined;
  #unloading: Promise<void> | undefined;
  #scorer: Scorer | undefined;
  /** Work that `unload` waits for. */
  readonly #running = new Set<Promise<unknown>>();

  /**
   * Checks the options; nothing is loaded yet.
   *
   * @throws ERR_INVALID_OPTION, ERR_NOT_SUPPORTED
   */
  constructor(options: RewardModelScoreOptions) {
    this.#options = resolveOptions(options);
    const { inputMappings, outputMappings, inputFormat } = this.#options;
    this.#reading = { columns: resolveColumns(inputMappings, outputMappings), inputFormat };
  }

  /**
   * Finds or downloads the model, loads it and makes it ready. Calling it again returns the same promise, until
   * `unload`.
   *
   * ```ts
   * const step = new RewardModelScore({ model: "demo" });
   * await step.load({
   *   signal: AbortSignal.timeout(600_000),
   *   onProgress: (progress) => {
   *     if (progress.phase === "download") console.log(`${progress.loaded} of ${progress.total} bytes`);
   *   },
   * });
   * await step.unload();
   * ```
   *
   * @throws ERR_RUNTIME_NOT_FOUND and ERR_ADDON, what is wrong with the model (docs/errors.md), and the Hub's errors
   */
  load({ signal, onProgress }: LoadOptions = {}): Promise<void> {
    this.#loading ??= this.#open(signal, onProgress).catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /**
   * Which module is where, in the words of transformers: module name → index of an accelerator, `"cpu"` or `"disk"`; a
   * name covers everything below it. With replicas it is that of the first one. Undefined until the model is loaded.
   */
  get deviceMap(): DeviceMap | undefined {
    return this.#scorer?.model.deviceMap;
  }

  /** The copies of the model, with what each has done and whether its device has failed; none until it is loaded. */
  get replicas(): ReplicaState[] {
    return this.#scorer?.model.native.states ?? [];
  }

  async #open(signal: AbortSignal | undefined, onProgress: LoadOptions["onProgress"]): Promise<void> {
    await this.#unloading;
    signal?.throwIfAborted();
    this.#scorer = new Scorer(await openModel(this.#options, { signal, onProgress }));
  }

  /**
   * Scores rows that are all in memory.
   *
   * ```ts
   * await using step = new RewardModelScore({ model: "demo" });
   * await step.load();
   * const [right, wrong] = await step.score([
   *   { instruction: "How much is 2+2?", response: "4" },
   *   { conversation: [{ role: "user", content: "How much is 2+2?" }, { role: "assistant", content: "5" }] },
   * ]);
   * console.log(right! > wrong!); // true
   * ```
   *
   * @returns the raw logit of each row, in the order of the rows: a number; an array of numbers for a head with several
   *   labels, one for each, and for a process reward model, one for each step
   * @throws ERR_INVALID_ROWS with every bad row, before anything is computed; ERR_NOT_FINITE with all scores that are
   *   sound in its details
   */
  score(rows: Iterable<Row>, options: ScoreOptions = {}): Promise<Score[]> {
    return this.#track(this.#score(rows, options));
  }

  async #score(rows: Iterable<Row>, options: ScoreOptions): Promise<Score[]> {
    const scores: (Score | null)[] = [];
    const notFinite: number[] = [];
    for await (const { outcome } of this.#strict(rows, options)) {
      if (isFailed(outcome)) notFinite.push(scores.length);
      scores.push(isFailed(outcome) ? null : outcome.score);
    }
    if (notFinite.length > 0) throw notFiniteError(notFinite, scores);
    return scores as Score[];
  }

  /**
   * Scores rows that are all in memory and yields them with their score, `inputBatchSize` at a time, as distilabel's
   * step does. The rows themselves are not changed.
   *
   * ```ts
   * await using step = new RewardModelScore({ model: "demo", outputMappings: { score: "reward" } });
   * await step.load();
   * for await (const rows of step.process([{ id: 7, instruction: "How much is 2+2?", response: "4" }])) {
   *   for (const { id, reward } of rows) console.log(id, reward);
   * }
   * ```
   *
   * @throws as `score`; rows before a score that is not finite have then been yielded
   */
  async *process<R extends Row>(
    rows: Iterable<R>,
    options: ScoreOptions = {},
  ): AsyncGenerator<ScoredRow<R>[]> {
    let batch: ScoredRow<R>[] = [];
    let index = 0;
    for await (const { row, outcome } of this.#strict(rows, options)) {
      if (isFailed(outcome)) throw notFiniteError([index], []);
      batch.push(this.#output(row as R, outcome));
      index++;
      if (batch.length === this.#options.inputBatchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0) yield batch;
  }

  /**
   * Scores rows as they come, in constant memory: order is kept, and no more is read than is needed to keep the model
   * busy. A row that cannot be scored is yielded with `score: null` and an `error` that starts with its code.
   *
   * ```ts
   * async function* rows() {
   *   yield { instruction: "How much is 2+2?", response: "4" };
   *   yield { instruction: "How much is 2+2?" };
   * }
   * await using step = new RewardModelScore({ model: "demo" });
   * await step.load();
   * for await (const { score, error } of step.stream(rows())) console.log(score ?? error);
   * ```
   *
   * @throws ERR_NOT_LOADED, and what concerns all rows: the source's own error, a device that failed
   */
  async *stream<R extends Row>(
    rows: AsyncIterable<R> | Iterable<R>,
    options: ScoreOptions = {},
  ): AsyncGenerator<ScoredRow<R>> {
    const scorer = this.#loaded();
    const prepared = async function* (this: RewardModelScore, signal: AbortSignal) {
      for await (const window of readWindows(rows, signal)) {
        // A stream may be far from its end when the model is unloaded; it is not waited for.
        if (this.#scorer !== scorer) this.#loaded();
        yield this.#prepare(scorer, window, 0, signal);
      }
    };
    for await (const { row, outcome } of this.#outcomes(scorer, prepared.bind(this), options)) {
      yield this.#output(row as R, await outcome.catch(failedRow));
    }
  }

  /**
   * Waits for running work, then frees the model. Safe to call at any time, more than once; `load` may follow.
   *
   * ```ts
   * const step = new RewardModelScore({ model: "demo" });
   * await step.load();
   * await step.unload();
   * await step.unload();
   * ```
   */
  unload(): Promise<void> {
    this.#unloading ??= this.#close().finally(() => (this.#unloading = undefined));
    return this.#unloading;
  }

  /** The same as `unload`: what `await using` calls at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }

  async #close(): Promise<void> {
    await this.#loading?.catch(() => {});
    const scorer = this.#scorer;
    this.#scorer = undefined;
    this.#loading = undefined;
    await Promise.allSettled(this.#running);
    await scorer?.model.close();
  }

  #loaded(): Scorer {
    if (this.#scorer) return this.#scorer;
    throw new RewardModelScoreError(
      "ERR_NOT_LOADED",
      "No model is loaded. Call load() first, and unload() last.",
      {},
    );
  }

  /** Prepares everything before anything is computed, so that all bad rows are reported at once. */
  async *#strict(rows: Iterable<Row>, options: ScoreOptions): AsyncGenerator<{ row: Row; outcome: Outcome }> {
    const scorer = this.#loaded();
    const signal = options.signal ?? new AbortController().signal;
    const windows: PreparedWindow[] = [];
    const problems: RowProblem[] = [];
    let offset = 0;
    for await (const window of readWindows(rows, signal)) {
      const prepared = await this.#prepare(scorer, window, offset, signal);
      problems.push(...prepared.problems);
      windows.push(prepared);
      offset += window.length;
    }
    if (problems.length > 0) throw invalidRows(problems);
    for await (const { row, outcome } of this.#outcomes(scorer, () => windows, options)) {
      yield { row, outcome: await outcome };
    }
  }

  async #prepare(
    scorer: Scorer,
    window: unknown[],
    offset: number,
    signal: AbortSignal,
  ): Promise<PreparedWindow> {
    // Checking rows is work too: the event loop gets its turn between windows.
    await setImmediate();
    return this.#track(prepareWindow(scorer.model, window, offset, this.#reading, signal));
  }

  /** Runs windows with one in the making ahead of the one that is being read. */
  async *#outcomes(
    scorer: Scorer,
    windows: (signal: AbortSignal) => AsyncIterable<PreparedWindow> | Iterable<PreparedWindow>,
    { signal, onProgress }: ScoreOptions,
  ): AsyncGenerator<{ row: Row; outcome: Promise<Outcome> }> {
    const stop = new AbortController();
    const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const total: ScoringProgress = {
      rows: 0,
      tokens: 0,
      savedTokens: 0,
      truncatedRows: 0,
      truncatedTokens: 0,
    };
    const run = async function* (this: RewardModelScore) {
      for await (const window of windows(stopped)) {
        total.rows += window.rows.filter((row) => isFailed(row)).length;
        total.truncatedRows += window.truncatedRows;
        total.truncatedTokens += window.truncatedTokens;
        const outcomes = scorer.run(window.rows, stopped, (done) => {
          total.rows += done.rows;
          total.tokens += done.tokens;
          total.savedTokens += done.savedTokens;
          onProgress?.({ ...total });
        });
        void this.#track(Promise.allSettled(outcomes));
        yield { window, outcomes };
      }
    };
    stopped.throwIfAborted();
    for await (const { window, outcomes } of prefetch(run.call(this), () => stop.abort())) {
      for (const [i, row] of window.source.entries()) yield { row, outcome: outcomes[i]! };
    }
  }

  #output<R extends Row>(row: R, outcome: Outcome): ScoredRow<R> {
    const { columns } = this.#reading;
    const scored: Row = isFailed(outcome)
      ? { ...withScore(row, null, columns), error: describe(outcome) }
      : withScore(row, outcome.score, columns);
    if (!isFailed(outcome) && outcome.attributes) scored["attributes"] = outcome.attributes;
    return scored as ScoredRow<R>;
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const done = () => this.#running.delete(work);
    work.then(done, done);
    return work;
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

function describe({ code, path, message }: Failed): string {
  return path === "" ? `${code}: ${message}` : `${code}: ${path}: ${message}`;
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
