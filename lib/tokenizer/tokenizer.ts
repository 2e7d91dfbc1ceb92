import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import { Tinypool } from "tinypool";
import { RewardModelScoreError, type RowProblem } from "../errors.js";
import type { RowInput } from "../rows/types.js";
import type { EncoderOptions, TokenizerInfo } from "./row-encoder.js";
import type { FlatRows, Job, JobResult } from "./worker.js";

export type { EncoderOptions } from "./row-encoder.js";

export interface TokenizerOptions extends EncoderOptions {
  /**
   * Threads that render and tokenize; default 1, or 2 from 8 processors on. Each holds the tokenizer, and one makes some
   * hundred thousand tokens a second.
   */
  threads?: number;
}

/** One row's ids, or why it has none. */
export type Encoding = { ids: Int32Array; truncated: number; problem?: undefined } | { problem: RowProblem };

/** A job of at most so many rows and characters: short enough to share out, long enough to be worth sending. */
const ROWS_PER_JOB = 32;
const CHARACTERS_PER_JOB = 200_000;

/**
 * Renders and tokenizes rows in worker threads, so that the event loop stays free. The threads start on demand, keep
 * their tokenizer while the pool is open, and do not keep the process alive.
 */
export class TokenizerPool {
  readonly #limit: ReturnType<typeof pLimit>;
  #closing: Promise<void> | undefined;

  private constructor(
    private readonly pool: Tinypool,
    private readonly options: EncoderOptions,
    private readonly info: TokenizerInfo,
    threads: number,
  ) {
    // One job waits for every one that runs, so that an abort leaves little behind.
    this.#limit = pLimit(threads * 2);
  }

  /** Reads the tokenizer in the first thread; rejects with ERR_TOKENIZER, ERR_CHAT_TEMPLATE or ERR_INVALID_OPTION. */
  static async open({ threads, ...options }: TokenizerOptions): Promise<TokenizerPool> {
    const count = threads ?? (availableParallelism() < 8 ? 1 : 2);
    const pool = new Tinypool({
      filename: new URL("./worker.js", import.meta.url).href,
      runtime: "worker_threads",
      // The program's own flags are not for these threads: --input-type, for one, would make them fail to start.
      execArgv: [],
      minThreads: 1,
      maxThreads: count,
      // A thread that sleeps in Atomics.wait cannot be told that its pool is gone when the process ends.
      useAtomics: false,
    });
    try {
      const result = (await pool.run({ options } satisfies Job)) as JobResult;
      if (result.kind === "error") throw revive(result.error);
      if (result.kind !== "info") throw new TypeError(`unexpected answer ${result.kind}`);
      return new TokenizerPool(pool, options, result.info, count);
    } catch (error) {
      await pool.destroy();
      throw error;
    }
  }

  /** The longest row that truncation leaves, null when it leaves any. */
  get maxLength(): number | null {
    return this.info.maxLength;
  }

  /** The id of a special token by its name, like "pad_token" or "cls_token"; undefined when the tokenizer has none. */
  specialTokenId(name: string): number | undefined {
    return this.info.specialTokenIds[name];
  }

  /** Ids of a text, without special tokens added around it. */
  async idsOf(text: string): Promise<Int32Array> {
    const result = await this.#run({ options: this.options, text });
    if (result.kind !== "text") throw new TypeError(`unexpected answer ${result.kind}`);
    return result.ids;
  }

  /**
   * Ids of rows, in their order. A row that the template refuses or that has no tokens gets a problem, whose index is
   * the row's place in `inputs`. Rejects with `signal.reason` as soon as the signal aborts.
   */
  async encode(inputs: readonly RowInput[], signal?: AbortSignal): Promise<Encoding[]> {
    signal?.throwIfAborted();
    const work = Promise.all(
      jobs(inputs).map(({ start, rows }) =>
        this.#limit(async () => {
          if (signal?.aborted === true) return [];
          const result = await this.#run({ options: this.options, inputs: rows });
          if (result.kind !== "rows") throw new TypeError(`unexpected answer ${result.kind}`);
          return split(result.rows, start);
        }),
      ),
    );
    return (await (signal === undefined ? work : abortable(work, signal))).flat();
  }

  /** Ends the threads; jobs that run are dropped, and their callers get ERR_NOT_LOADED. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.pool.destroy();
    await this.#closing;
  }

  async #run(job: Job): Promise<JobResult> {
    if (this.#closing !== undefined) throw closed();
    try {
      const result = (await this.pool.run(job)) as JobResult;
      if (result.kind === "error") throw revive(result.error);
      return result;
    } catch (error) {
      throw this.#closing === undefined ? error : closed();
    }
  }
}

function closed(): RewardModelScoreError<"ERR_NOT_LOADED"> {
  return new RewardModelScoreError(
    "ERR_NOT_LOADED",
    "The tokenizer was closed while rows were being encoded",
    {},
  );
}

function revive({
  code,
  message,
  details,
}: Extract<JobResult, { kind: "error" }>["error"]): RewardModelScoreError {
  return new RewardModelScoreError(code, message, details);
}

function jobs(inputs: readonly RowInput[]): { start: number; rows: RowInput[] }[] {
  const result: { start: number; rows: RowInput[] }[] = [];
  let characters = 0;
  for (const [index, input] of inputs.entries()) {
    const last = result.at(-1);
    const size = characterCount(input);
    if (last === undefined || last.rows.length === ROWS_PER_JOB || characters + size > CHARACTERS_PER_JOB) {
      result.push({ start: index, rows: [input] });
      characters = size;
    } else {
      last.rows.push(input);
      characters += size;
    }
  }
  return result;
}

function characterCount(input: RowInput): number {
  if (!Array.isArray(input)) return input.question.length + input.answer.length;
  return input.reduce((sum, { content }) => sum + (typeof content === "string" ? content.length : 0), 0);
}

function split({ ids, lengths, truncated, problems }: FlatRows, start: number): Encoding[] {
  const messages = new Map(problems.map(({ index, message }) => [index, message]));
  let offset = 0;
  return Array.from(lengths, (length, index): Encoding => {
    const message = messages.get(index);
    if (message !== undefined) return { problem: { index: start + index, path: "", message } };
    const row = ids.subarray(offset, offset + length);
    offset += length;
    return { ids: row, truncated: truncated[index]! };
  });
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller's reason, as fetch does
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
    // Jobs that are still running end by themselves; nobody waits for them.
    work.catch(() => undefined);
  }
}
