import { Tinypool } from "tinypool";
import { type ErrorCode, type ErrorDetails, RewardModelScoreError } from "../errors.js";
import type { RowInput } from "../rows/types.js";
import { type EncoderOptions, RowEncoder, type TokenizerInfo } from "./row-encoder.js";

/** One job of a thread: rows to encode, or a text, or neither to learn about the tokenizer. */
export interface Job {
  options: EncoderOptions;
  inputs?: RowInput[];
  text?: string;
}

export type JobResult =
  | { kind: "info"; info: TokenizerInfo }
  | { kind: "rows"; rows: FlatRows }
  | { kind: "text"; ids: Int32Array }
  | { kind: "error"; error: PlainError };

/** Encoded rows one after the other, so that they move between threads as a few buffers. */
export interface FlatRows {
  ids: Int32Array;
  /** [rows] tokens of each row; 0 for a row that has a problem. */
  lengths: Int32Array;
  /** [rows] tokens that truncation took. */
  truncated: Int32Array;
  problems: { index: number; message: string }[];
}

/** An error class does not survive the way between threads. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  details: ErrorDetails[ErrorCode];
}

/** A pool has one tokenizer; its threads read it once. */
let encoder: Promise<RowEncoder> | undefined;

export default async function run(job: Job): Promise<unknown> {
  try {
    encoder ??= RowEncoder.open(job.options);
    const opened = await encoder;
    if (job.inputs !== undefined) return encodeRows(opened, job.inputs);
    if (job.text !== undefined) return { kind: "text", ids: Int32Array.from(opened.idsOf(job.text)) };
    return { kind: "info", info: opened.info } satisfies JobResult;
  } catch (error) {
    encoder = undefined;
    if (!RewardModelScoreError.is(error)) throw error;
    const { code, message, details } = error;
    return { kind: "error", error: { code, message, details } } satisfies JobResult;
  }
}

function encodeRows(opened: RowEncoder, inputs: RowInput[]): unknown {
  const rows = inputs.map((input): { ids: number[]; truncated: number; problem?: string } => {
    try {
      return opened.encode(input);
    } catch (error) {
      // Whatever goes wrong with one row is that row's problem and does not harm the others.
      return { ids: [], truncated: 0, problem: error instanceof Error ? error.message : String(error) };
    }
  });
  const ids = new Int32Array(rows.reduce((sum, row) => sum + row.ids.length, 0));
  let offset = 0;
  for (const row of rows) {
    ids.set(row.ids, offset);
    offset += row.ids.length;
  }
  const result: JobResult = {
    kind: "rows",
    rows: {
      ids,
      lengths: Int32Array.from(rows, (row) => row.ids.length),
      truncated: Int32Array.from(rows, (row) => row.truncated),
      problems: rows.flatMap(({ problem }, index) =>
        problem === undefined ? [] : [{ index, message: problem }],
      ),
    },
  };
  return Tinypool.move(new MovableResult(result, ids.buffer) as never);
}

/** Moves the ids instead of copying them. */
class MovableResult {
  constructor(
    readonly result: JobResult,
    readonly buffer: ArrayBuffer,
  ) {}

  get [Tinypool.transferableSymbol]() {
    return [this.buffer];
  }

  get [Tinypool.valueSymbol]() {
    return this.result;
  }
}
