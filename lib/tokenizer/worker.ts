import { parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, type ErrorDetails, RewardModelScoreError } from "../errors.js";
import type { RowInput } from "../rows/types.js";
import { Progress, Step } from "./progress.js";
import { type EncodedInput, type EncoderOptions, RowEncoder, type TokenizerInfo } from "./row-encoder.js";
import { joinFields, type TokenFields } from "./token-fields.js";

/** What a thread is started with. */
export interface ThreadData {
  options: EncoderOptions;
  /** The memory of a `Progress`. */
  progress: SharedArrayBuffer;
}

/** One job of a thread: rows to encode, or a text, or neither to learn about the tokenizer. */
export interface Job {
  inputs?: readonly RowInput[];
  text?: string;
}

export type JobResult =
  | { kind: "info"; info: TokenizerInfo }
  | { kind: "rows"; rows: FlatRows }
  | { kind: "text"; ids: Int32Array }
  | { kind: "error"; error: PlainError };

/** Encoded rows one after the other, so that they move between threads as a few buffers. */
export interface FlatRows {
  fields: TokenFields<ArrayBuffer>;
  /** [rows] tokens of each row; 0 for a row that has a problem. */
  lengths: Int32Array;
  /** [rows] tokens that truncation took. */
  truncated: Int32Array;
  problems: { index: number; code: ErrorCode; message: string }[];
}

/** An error class does not survive the way between threads. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  details: ErrorDetails[ErrorCode];
}

const { options, progress: memory } = workerData as ThreadData;
const progress = new Progress(memory);
/** Read once, with the first job. */
let encoder: Promise<RowEncoder> | undefined;

parentPort!.on("message", (job: Job) => void answer(job));

async function answer(job: Job): Promise<void> {
  const result = await run(job);
  // The tokens are moved, not copied.
  const moved = result.kind === "rows" ? Object.values(result.rows.fields).map(({ buffer }) => buffer) : [];
  parentPort!.postMessage(result, moved);
}

async function run(job: Job): Promise<JobResult> {
  try {
    const opened = await (encoder ??= RowEncoder.open(options));
    if (job.inputs !== undefined) return encodeRows(opened, job.inputs);
    if (job.text !== undefined) {
      progress.enter(Step.Tokenizer);
      return { kind: "text", ids: Int32Array.from(opened.idsOf(job.text)) };
    }
    return { kind: "info", info: opened.info };
  } catch (error) {
    if (!RewardModelScoreError.is(error)) throw error;
    const { code, message, details } = error;
    return { kind: "error", error: { code, message, details } };
  }
}

function encodeRows(opened: RowEncoder, inputs: readonly RowInput[]): JobResult {
  const problems: FlatRows["problems"] = [];
  const rows = inputs.map((input, index): EncodedInput | undefined => {
    try {
      return opened.encode(input, (step) => progress.enter(step, index));
    } catch (error) {
      // Whatever goes wrong with one row is that row's problem and does not harm the others.
      const code = RewardModelScoreError.is(error) ? error.code : "ERR_TOKENIZER";
      problems.push({ index, code, message: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  });
  const encoded = rows.flatMap((row) => row?.fields ?? []);
  return {
    kind: "rows",
    rows: {
      fields: joinFields(["ids", ...(options.tokenFields ?? [])], encoded),
      lengths: Int32Array.from(rows, (row) => row?.fields.ids.length ?? 0),
      truncated: Int32Array.from(rows, (row) => row?.truncated ?? 0),
      problems,
    },
  };
}
