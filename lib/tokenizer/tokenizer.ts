import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import { abortable } from "../abortable.js";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError, type RowProblem } from "../errors.js";
import type { RowInput } from "../rows/types.js";
import type { EncoderOptions, TokenizerInfo } from "./row-encoder.js";
import { RowLost, TokenizerThread } from "./thread.js";
import { sliceFields, type TokenFields } from "./token-fields.js";
import type { FlatRows, Job, JobResult } from "./worker.js";

export type { EncoderOptions } from "./row-encoder.js";

export interface TokenizerOptions extends EncoderOptions {
  /**
   * Threads that render and tokenize; default 1, or 2 from 8 processors on. Each holds the tokenizer, and one makes some
   * hundred thousand tokens a second.
   */
  threads?: number;
  /** Milliseconds that a row may take to be rendered, and to be tokenized; default `REWARD_MODEL_SCORE_ROW_TIMEOUT`. */
  rowTimeout?: number;
  /** Ends the opening. */
  signal?: AbortSignal | undefined;
}

/** One row's tokens, or why it has none. */
export type Encoding =
  { fields: TokenFields; truncated: number; problem?: undefined } | { problem: RowProblem };

/** A job of at most so many rows and characters: short enough to share out, long enough to be worth sending. */
const ROWS_PER_JOB = 32;
const CHARACTERS_PER_JOB = 200_000;

/**
 * Renders and tokenizes rows in worker threads, so that the event loop stays free, and so that a row that never ends can
 * be ended. The threads start on demand, keep their tokenizer while the pool is open, and do not keep the process alive.
 */
export class TokenizerPool {
  readonly #idle: TokenizerThread[];
  readonly #limit: ReturnType<typeof pLimit>;
  #inAHurry = false;
  #closing: Promise<unknown> | undefined;
  #info!: TokenizerInfo;

  private constructor(private readonly threads: readonly TokenizerThread[]) {
    this.#idle = [...threads];
    this.#limit = pLimit(threads.length);
  }

  /**
   * Reads the tokenizer in the first thread; rejects with ERR_TOKENIZER, ERR_CHAT_TEMPLATE, ERR_INVALID_OPTION or
   * ERR_OUT_OF_MEMORY, or with `signal.reason`.
   */
  static async open({ threads, rowTimeout, signal, ...options }: TokenizerOptions): Promise<TokenizerPool> {
    signal?.throwIfAborted();
    const timeout = rowTimeout ?? readEnvironment().rowTimeout;
    const count = threads ?? (availableParallelism() < 8 ? 1 : 2);
    const made = Array.from({ length: count }, () => new TokenizerThread(options, timeout));
    const pool = new TokenizerPool(made);
    try {
      const result = await whileWanted(() => pool.#run({}, signal), signal);
      if (result.kind !== "info") throw new TypeError(`unexpected answer ${result.kind}`);
      pool.#info = result.info;
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /** The longest row that truncation leaves, null when it leaves any. */
  get maxLength(): number | null {
    return this.#info.maxLength;
  }

  /** What is doubtful about the tokenizer's files. */
  get warnings(): readonly string[] {
    return this.#info.warnings;
  }

  /** The id of a special token by its name, like "pad_token" or "cls_token"; undefined when the tokenizer has none. */
  specialTokenId(name: string): number | undefined {
    return this.#info.specialTokenIds[name];
  }

  /** Ids of a text, without special tokens added around it. */
  async idsOf(text: string, signal?: AbortSignal): Promise<Int32Array> {
    const result = await whileWanted(() => this.#run({ text }, signal), signal);
    if (result.kind !== "text") throw new TypeError(`unexpected answer ${result.kind}`);
    return result.ids;
  }

  /**
   * Tokens of rows, in their order. A row that the template refuses, that has no tokens or that never ends gets a problem,
   * whose index is the row's place in `inputs`. Rejects with `signal.reason` as soon as the signal aborts.
   */
  async encode(inputs: readonly RowInput[], signal?: AbortSignal): Promise<Encoding[]> {
    const work = () => Promise.all(jobs(inputs).map(({ start, rows }) => this.#encode(rows, start, signal)));
    return (await whileWanted(work, signal)).flat();
  }

  /** From now on no row is waited for that stands still: whoever waits for one gets ERR_NOT_LOADED. */
  hurry(): void {
    this.#inAHurry = true;
  }

  /** Ends the threads; jobs that run are dropped, and their callers get ERR_NOT_LOADED. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= Promise.all(this.threads.map((thread) => thread.end()));
    await this.#closing;
  }

  /** A row at which the thread was lost is left out when its neighbours are encoded anew. */
  async #encode(
    rows: readonly RowInput[],
    start: number,
    signal: AbortSignal | undefined,
  ): Promise<Encoding[]> {
    if (rows.length === 0) return [];
    try {
      const result = await this.#run({ inputs: rows }, signal);
      if (result.kind !== "rows") throw new TypeError(`unexpected answer ${result.kind}`);
      return split(result.rows, start);
    } catch (error) {
      if (!(error instanceof RowLost)) throw error;
      const { row } = error;
      const { code, message } = error.error;
      return [
        ...(await this.#encode(rows.slice(0, row), start, signal)),
        { problem: { index: start + row, path: "", code, message } },
        ...(await this.#encode(rows.slice(row + 1), start + row + 1, signal)),
      ];
    }
  }

  /** A job that nobody waits for any more is dropped when its turn comes, or soon ended when it stands still. */
  #run(job: Job, signal: AbortSignal | undefined): Promise<JobResult> {
    return this.#limit(async () => {
      signal?.throwIfAborted();
      if (this.#closing !== undefined) throw closed();
      const thread = this.#idle.pop()!;
      let result: JobResult;
      try {
        result = await thread.run(job, () => this.#inAHurry || signal?.aborted === true);
      } catch (error) {
        throw this.#closing !== undefined || this.#inAHurry ? closed() : error;
      } finally {
        this.#idle.push(thread);
      }
      if (result.kind === "error") throw revive(result.error);
      return result;
    });
  }
}

/** Rejects with the signal's reason as soon as it aborts; nobody waits for the work any more then. */
function whileWanted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? work() : abortable(work, signal);
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

function split({ fields, lengths, truncated, problems }: FlatRows, start: number): Encoding[] {
  const found = new Map(problems.map((problem) => [problem.index, problem]));
  let offset = 0;
  return Array.from(lengths, (length, index): Encoding => {
    const problem = found.get(index);
    if (problem !== undefined) return { problem: { ...problem, index: start + index, path: "" } };
    const row = sliceFields(fields, offset, offset + length);
    offset += length;
    return { fields: row, truncated: truncated[index]! };
  });
}
