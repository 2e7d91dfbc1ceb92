import { Worker } from "node:worker_threads";
import { deferred } from "../abortable.js";
import { RewardModelScoreError } from "../errors.js";
import { Progress, Step } from "./progress.js";
import type { EncoderOptions } from "./row-encoder.js";
import type { Job, JobResult, ThreadData } from "./worker.js";

/**
 * The heap of a thread. The largest tokenizers take some hundred megabytes, the longest texts and the budget of a chat
 * template up to two gigabytes more. V8 can end a thread at its limit only where memory grows in small steps.
 */
export const THREAD_MEGABYTES = 4096;

/**
 * Milliseconds between looks at a thread. Looks without a step are counted, not time: to a process that was asleep only
 * few of them are missing.
 */
const LOOK_EVERY = 1000;
/** Looks within the limit, where it is short. */
const LOOKS = 20;
/** Reading a tokenizer takes longer than a row. */
const OPENING = 5;

/** A thread was ended, or ended itself, in the middle of a row, whose error this is. */
export class RowLost extends Error {
  constructor(
    /** The job's row. */
    readonly row: number,
    readonly error: RewardModelScoreError,
  ) {
    super(error.message);
  }
}

/**
 * A worker thread with a tokenizer, for one job at a time. It starts with its first job, and anew with the next one after
 * it was lost. It does not keep the process alive while it is idle.
 */
export class TokenizerThread {
  #worker: Worker | undefined;
  #progress = new Progress();

  /** @param timeout milliseconds after which a row that is still in the same step counts as one that never ends */
  constructor(
    private readonly options: EncoderOptions,
    private readonly timeout: number,
  ) {}

  /**
   * @param inAHurry tells whether nobody waits for a job any more that does not come to its end
   * @throws RowLost; ERR_TOKENIZER; ERR_OUT_OF_MEMORY when no thread can be started; what `end` makes of it
   */
  async run(job: Job, inAHurry: () => boolean): Promise<JobResult> {
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const { promise, resolve, reject } = deferred<JobResult>();
    const onError = (error: unknown) => reject(this.#failure(error, job));
    const onExit = () => reject(new Error("The tokenizer's thread has ended"));
    worker.once("message", resolve).once("error", onError).once("exit", onExit);
    const watch = this.#watch(inAHurry, () => reject(this.#standstill(job)));
    try {
      worker.postMessage(job);
      return await promise;
    } catch (error) {
      void this.end();
      throw error;
    } finally {
      clearInterval(watch);
      worker.off("message", resolve).off("error", onError).off("exit", onExit);
      worker.unref();
    }
  }

  /** Ends the thread, whatever it is doing; a job that runs is rejected. */
  async end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    this.#progress = new Progress();
    try {
      const worker = new Worker(new URL("./worker.js", import.meta.url), {
        workerData: { options: this.options, progress: this.#progress.memory } satisfies ThreadData,
        // The program's own flags are not for these threads: --input-type, for one, would make them fail to start.
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: THREAD_MEGABYTES },
      });
      worker.once("exit", () => {
        if (this.#worker === worker) this.#worker = undefined;
      });
      // Whoever waits for a job hears of it; the last words of a thread that is being ended are no news.
      return worker.on("error", () => {});
    } catch (cause) {
      throw notStarted(cause);
    }
  }

  #watch(inAHurry: () => boolean, onStandstill: () => void): NodeJS.Timeout {
    const interval = Math.min(LOOK_EVERY, this.timeout / LOOKS);
    let { count } = this.#progress;
    let looks = 0;
    return setInterval(() => {
      looks = count === this.#progress.count ? looks + 1 : 0;
      count = this.#progress.count;
      if (looks >= (inAHurry() ? 1 : this.#patience / interval)) onStandstill();
    }, interval);
  }

  /** Milliseconds that the present step may take. */
  get #patience(): number {
    return this.#progress.step === Step.Open ? OPENING * this.timeout : this.timeout;
  }

  #failure(error: unknown, job: Job): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_WORKER_INIT_FAILED") return notStarted(error);
    return code === "ERR_WORKER_OUT_OF_MEMORY"
      ? this.#lost(`needs more than ${THREAD_MEGABYTES} MB`, job)
      : error;
  }

  #standstill(job: Job): Error {
    const seconds = this.#patience / 1000;
    const limit =
      "REWARD_MODEL_SCORE_ROW_TIMEOUT is the limit, in seconds, which a slow machine may need higher";
    return this.#lost(`has not ended after ${seconds} s, and may never end (${limit})`, job);
  }

  #lost(what: string, job: Job): Error {
    const { step, row } = this.#progress;
    const [code, subject] = {
      [Step.Open]: ["ERR_TOKENIZER", `reading the tokenizer in ${this.options.directory}`] as const,
      [Step.Template]: ["ERR_CHAT_TEMPLATE", "the chat template"] as const,
      [Step.Tokenizer]: ["ERR_TOKENIZER", "splitting the text by the rules of tokenizer.json"] as const,
    }[step];
    const error = new RewardModelScoreError(code, `${subject} ${what}`, {});
    return step === Step.Open || job.inputs === undefined ? error : new RowLost(row, error);
  }
}

function notStarted(cause: unknown): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_OUT_OF_MEMORY",
    `A thread for the tokenizer could not be started (${(cause as Error).message}): a limit on memory (ulimit -v) or on ` +
      "processes and threads (ulimit -u, a container's pids limit) is too low. Raise it.",
    { device: "cpu" },
    { cause },
  );
}
