/// <reference lib="esnext.disposable" preserve="true" />
import type { RewardStatistics } from "./architectures/statistics.js";
import type { DeviceMap } from "./device-map/infer.js";
import { LifeCycle } from "./model/life-cycle.js";
import type { LoadProgress } from "./model/load-progress.js";
import { openModel } from "./model/open-model.js";
import { resolveOptions, type ResolvedOptions, type RewardModelScoreOptions } from "./options.js";
import { resolveColumns, type Columns } from "./rows/columns.js";
import type { AnyRow, Row } from "./rows/types.js";
import type { Activation } from "./scoring/activation.js";
import { Call } from "./scoring/call.js";
import { ScoringJob, type Rows, type ScoreOptions } from "./scoring/job.js";
import type { Attributes, Score } from "./scoring/outcome.js";
import type { ReplicaState } from "./scoring/replicas.js";
import { notLoaded, Scorer, type ScoringProgress } from "./scoring/scorer.js";

/** Options of `load`. */
export interface LoadOptions {
  /** Ends this call. Downloads and the rest of the work stop when nobody else waits for the same load; what has arrived is kept. */
  signal?: AbortSignal;
  /**
   * Called with news of downloads and of the weights. What it throws, or what a promise that it returns rejects with,
   * rejects the call; the call waits for such promises.
   */
  onProgress?: (progress: LoadProgress) => unknown;
}

/**
 * A row of the input with the columns that scoring adds. `S` is what the model's head gives, in `stream` or null for a
 * row that failed; `Column` is the column that `outputMappings` names.
 */
export type ScoredRow<R extends object = Row, S = number, Column extends string = "score"> = R & {
  [Name in string extends Column ? "score" : Column]: S;
} & {
  /** Why the row has no score: only in `stream`. */
  error?: string;
  /** A custom head's named outputs, where the option `attributes` asks for them. */
  attributes?: Attributes;
};

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
export class RewardModelScore<Column extends string = "score"> implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #columns: Columns;
  readonly #model: LifeCycle<Scorer, LoadProgress>;

  /**
   * Checks the options; nothing is loaded yet.
   *
   * @throws ERR_INVALID_OPTION, ERR_NOT_SUPPORTED
   */
  constructor(options: RewardModelScoreOptions<Column>) {
    this.#options = resolveOptions(options);
    const { inputMappings, outputMappings, attributes } = this.#options;
    this.#columns = resolveColumns(inputMappings, outputMappings, attributes);
    this.#model = new LifeCycle((signal, tell) => this.#open(signal, tell));
  }

  /**
   * Finds or downloads the model, loads it and makes it ready. Calls share one load until `unload`: each is told how far
   * it is and can be aborted for itself, and the load stops when no call is left that waits for it.
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
   * @throws ERR_RUNTIME_NOT_FOUND and ERR_ADDON, what is wrong with the model (docs/errors.md), the Hub's errors, and
   *   ERR_NOT_LOADED when `unload` is called meanwhile
   */
  load(options: LoadOptions = {}): Promise<void> {
    return this.#model.load(options);
  }

  /**
   * Which module is where, in the words of transformers: module name → index of an accelerator, `"cpu"` or `"disk"`; a
   * name covers everything below it. With replicas it is that of the first one. Undefined until the model is loaded.
   */
  get deviceMap(): DeviceMap | undefined {
    return this.#model.resource?.model.deviceMap;
  }

  /** The statistics that scores are normalised with, where `normalize` asks for it; undefined until the model is loaded. */
  get normalization(): RewardStatistics | undefined {
    return this.#model.resource?.model.scoreShape.normalization;
  }

  /** What is applied to the logits, where `activation` asks for it; undefined until the model is loaded. */
  get activation(): Activation | undefined {
    return this.#model.resource?.model.scoreShape.activation;
  }

  /** The copies of the model, with what each has done and whether its device has failed; none until it is loaded. */
  get replicas(): ReplicaState[] {
    return this.#model.resource?.model.native.states ?? [];
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
   * @typeParam S what the model's head gives: `number`; `number[]` for a head with several labels, one for each, and for
   *   a process reward model, one for each step: `score<number[]>(rows)`
   * @returns the raw logit of each row (normalised where `normalize` says so), in the order of the rows
   * @throws ERR_INVALID_ROWS with every bad row, before anything is computed; ERR_NOT_FINITE with all scores that are
   *   sound in its details
   */
  async score<S extends Score = number>(rows: Rows, options: ScoreOptions = {}): Promise<S[]> {
    return (await this.#job(options).scores(rows)) as S[];
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
  process<S extends Score = number, R extends object = AnyRow>(
    rows: Rows<R>,
    options?: ScoreOptions,
  ): AsyncGenerator<ScoredRow<R, S, Column>[]>;
  /** The same, with the type of the rows spelled out first. */
  process<R extends object, S extends Score = number>(
    rows: Rows<R>,
    options?: ScoreOptions,
  ): AsyncGenerator<ScoredRow<R, S, Column>[]>;
  async *process(rows: Rows, options: ScoreOptions = {}): AsyncGenerator<object[]> {
    let batch: object[] = [];
    for await (const row of this.#job(options).strict(rows)) {
      batch.push(row);
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
  stream<S extends Score = number, R extends object = AnyRow>(
    rows: Rows<R>,
    options?: ScoreOptions,
  ): AsyncGenerator<ScoredRow<R, S | null, Column>>;
  /** The same, with the type of the rows spelled out first. */
  stream<R extends object, S extends Score = number>(
    rows: Rows<R>,
    options?: ScoreOptions,
  ): AsyncGenerator<ScoredRow<R, S | null, Column>>;
  async *stream(rows: Rows, options: ScoreOptions = {}): AsyncGenerator<object> {
    yield* this.#job(options).tolerant(rows);
  }

  /**
   * Waits for running work, then frees the model; a load that is under way is given up, and so is a row at which the
   * chat template or the tokenizer stands still: its call gets ERR_NOT_LOADED. Safe to call at any time, more than once.
   * Calls that follow find no model; `load` may follow at once and begins anew.
   *
   * ```ts
   * const step = new RewardModelScore({ model: "demo" });
   * await step.load();
   * await step.unload();
   * await step.unload();
   * ```
   */
  unload(): Promise<void> {
    return this.#model.unload();
  }

  /** The same as `unload`: what `await using` calls at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }

  async #open(signal: AbortSignal, tell: (progress: LoadProgress) => boolean): Promise<Scorer> {
    const onProgress = (progress: LoadProgress) => {
      if (tell(progress) || progress.phase !== "warning") return;
      // A warning that nobody listens for is shown by Node.js on standard error.
      process.emitWarning(progress.message, "RewardModelScoreWarning");
    };
    return new Scorer(await openModel(this.#options, { signal, onProgress }));
  }

  #job(options: ScoreOptions): ScoringJob {
    const call = new Call<ScoringProgress>(options);
    const scorer = this.#model.resource;
    if (!scorer) throw notLoaded();
    return new ScoringJob(scorer, this.#columns, call);
  }
}
