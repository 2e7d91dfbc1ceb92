/// <reference lib="esnext.disposable" preserve="true" />
import type { DeviceMap } from "./device-map/infer.js";
import { openModel, type LoadProgress } from "./model/open-model.js";
import { resolveOptions, type ResolvedOptions, type RewardModelScoreOptions } from "./options.js";
import { resolveColumns } from "./rows/columns.js";
import type { ReadOptions } from "./rows/read.js";
import type { Row } from "./rows/types.js";
import { ScoringJob, type ScoreOptions } from "./scoring/job.js";
import type { Score } from "./scoring/outcome.js";
import type { ReplicaState } from "./scoring/replicas.js";
import { notLoaded, Scorer } from "./scoring/scorer.js";

/** Options of `load`. */
export interface LoadOptions {
  /** Stops downloads and gives the model up; what has arrived is kept for the next time. */
  signal?: AbortSignal;
  /** Called with news of downloads and of the weights. */
  onProgress?: (progress: LoadProgress) => void;
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

  /**
   * Checks the options; nothing is loaded yet.
   *
   * @throws ERR_INVALID_OPTION, ERR_NOT_SUPPORTED
   */
  constructor(options: RewardModelScoreOptions) {
    this.#options = resolveOptions(options);
    const { inputMappings, outputMappings, inputFormat, attributes } = this.#options;
    this.#reading = { columns: resolveColumns(inputMappings, outputMappings, attributes), inputFormat };
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
  async score(rows: Iterable<Row>, options: ScoreOptions = {}): Promise<Score[]> {
    const scorer = this.#loaded();
    return scorer.track(this.#job(scorer, options).scores(rows));
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
    for await (const row of this.#job(this.#loaded(), options).strict(rows)) {
      batch.push(row as ScoredRow<R>);
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
    yield* this.#job(this.#loaded(), options).tolerant(rows) as AsyncGenerator<ScoredRow<R>>;
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
    await scorer?.close();
  }

  #loaded(): Scorer {
    if (this.#scorer) return this.#scorer;
    throw notLoaded();
  }

  #job(scorer: Scorer, options: ScoreOptions): ScoringJob {
    return new ScoringJob(scorer, this.#reading, options);
  }
}
