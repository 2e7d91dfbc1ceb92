import { printable } from "./printable.js";

/**
 * Everything this package rejects or throws with, apart from what is the caller's own: the reason of an aborted signal,
 * and what `onProgress` or the source of the rows throws.
 *
 * `code` is stable and comes from the closed list below; `message` says what happened, the value and the remedy;
 * `details` holds what a program can act on, typed by the code.
 */
export interface ErrorDetails {
  /** Some rows cannot be scored; every one of them is listed. Nothing was computed. */
  ERR_INVALID_ROWS: { problems: RowProblem[] };
  /** An option has a wrong type or value, or two options contradict each other. */
  ERR_INVALID_OPTION: { option: string };
  /** The option is part of the interface but this build cannot honour it. */
  ERR_NOT_SUPPORTED: { feature: string };
  /** The chat template is missing, does not parse, or refused a conversation. */
  ERR_CHAT_TEMPLATE: { path?: string };
  /** The tokenizer's files are missing, malformed or of an unknown kind, or a text cannot be encoded. */
  ERR_TOKENIZER: { path?: string };
  /** A file or directory that was named does not exist. */
  ERR_NOT_FOUND: { path: string };
  /** A file exists but could not be read or written. */
  ERR_IO: { path: string };
  /** libtorch was not found, or a part of it could not be opened. */
  ERR_RUNTIME_NOT_FOUND: { searched: string[] };
  /** A libtorch of another version than the addon was built for. */
  ERR_RUNTIME_VERSION: { found: string; expected: string };
  /** The addon for this platform is missing or does not load. */
  ERR_ADDON: { path?: string };
  /** The requested device does not exist or cannot be used. */
  ERR_DEVICE_UNAVAILABLE: { device: string };
  /** The file is not a TorchScript archive. */
  ERR_NOT_TORCHSCRIPT: { path: string };
  /** The file is a damaged or incomplete archive or checkpoint. */
  ERR_MODEL_CORRUPT: { path: string; tensor?: string };
  /** The archive's `forward` takes or returns something else than the contract says. */
  ERR_MODEL_SIGNATURE: { path: string };
  /** The configuration of a model is missing, malformed, hostile or contradicts its weights. */
  ERR_MODEL_CONFIG: { path?: string };
  /** No built-in program exists for this architecture. */
  ERR_UNSUPPORTED_ARCHITECTURE: { architecture: string; supported: string[] };
  /** A tensor is missing, or has another shape or type than the program needs. */
  ERR_WEIGHTS: { tensor: string; path?: string };
  /** A TorchScript archive came from the Hub and `trustRemoteCode` is not set. */
  ERR_UNTRUSTED_CODE: { model: string };
  /** The model produced scores that are not numbers, or are infinite; the sound ones are in `scores`. */
  ERR_NOT_FINITE: { rows: number[]; scores: (number | number[] | null)[] };
  /** The model failed while it ran. */
  ERR_BACKEND: { detail?: string };
  /** Memory ran out, on the host or on a device. */
  ERR_OUT_OF_MEMORY: { device: string };
  /** More batches wait for a device than its queue holds. */
  ERR_OVERLOADED: { limit: number };
  /** Work was handed to a model that is unloaded or was never loaded. */
  ERR_NOT_LOADED: Record<string, never>;
  /** The Hub has no such repository, or the token may not see it. */
  ERR_REPOSITORY_NOT_FOUND: { model: string };
  /** The repository has no such branch, tag or commit. */
  ERR_REVISION_NOT_FOUND: { model: string; revision: string };
  /** The repository asks for access to be granted first. */
  ERR_GATED: { model: string; url: string };
  /** The Hub refused the token, or wants one. */
  ERR_UNAUTHORIZED: { url: string };
  /** Offline mode is on and the files are not in the cache. */
  ERR_OFFLINE: { model: string };
  /** Bytes that arrived do not have the announced hash or size. */
  ERR_CHECKSUM: { path: string };
  /** The disk is full or has too little space for what is to be written. */
  ERR_DISK_FULL: { path: string; needed?: number; available?: number };
  /** The network failed after all retries. */
  ERR_NETWORK: { url: string };
}

/** The closed list of codes; docs/errors.md gives the cause and the remedy of each. */
export type ErrorCode = keyof ErrorDetails;

/** One thing that is wrong with one row. */
export interface RowProblem {
  /** Of the row among those that were passed, from 0. */
  index: number;
  /** Where in the row, like `conversation[2].content`. */
  path: string;
  /** What is wrong there, and what would be right. */
  message: string;
  /** What refused the row, where it was not the row's own shape: ERR_CHAT_TEMPLATE, ERR_TOKENIZER. */
  code?: ErrorCode;
}

/** The same in every copy of this package. */
const BRAND = Symbol.for("reward-model-score.error");

/**
 * What every function of this package throws or rejects with, apart from what is the caller's own.
 *
 * ```ts
 * try {
 *   new RewardModelScore({ model: "demo", inputBatchSize: 0 });
 * } catch (error) {
 *   if (RewardModelScoreError.is(error, "ERR_INVALID_OPTION")) console.log(error.details.option); // inputBatchSize
 * }
 * ```
 */
export class RewardModelScoreError<C extends ErrorCode = ErrorCode> extends Error {
  /** "RewardModelScoreError" */
  override readonly name = "RewardModelScoreError";

  /** For this package's own use. */
  constructor(
    /** What kind of failure it is: one of a closed list, which stays the same between versions. */
    readonly code: C,
    message: string,
    /** What a program can act on; its type follows from `code`. */
    readonly details: ErrorDetails[C],
    options?: ErrorOptions,
  ) {
    super(printable(message), options); // it may quote what a server, a repository or a row says
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }

  /**
   * `instanceof` knows the errors of every copy of this package in the process: copies share one addon, which makes its
   * errors with the class of the copy that came last.
   */
  static override [Symbol.hasInstance](value: unknown): value is RewardModelScoreError {
    try {
      return typeof value === "object" && value !== null && BRAND in value;
    } catch {
      // A proxy that cannot be looked into.
      return false;
    }
  }

  /**
   * Narrows an unknown error to this class, and to one code if it is given.
   *
   * ```ts
   * const step = new RewardModelScore({ model: "demo" });
   * const error: unknown = await step.score([]).catch((reason: unknown) => reason);
   * console.log(RewardModelScoreError.is(error), RewardModelScoreError.is(error, "ERR_NOT_LOADED")); // true true
   * ```
   */
  static is<C extends ErrorCode>(error: unknown, code?: C): error is RewardModelScoreError<C> {
    return error instanceof RewardModelScoreError && (code === undefined || error.code === code);
  }
}
