import { RewardModelScoreError } from "../errors.js";
import { describe } from "../rows/text.js";
import { abortable } from "../abortable.js";

/** What every call that takes long understands. */
export interface CallOptions<News> {
  signal?: AbortSignal;
  onProgress?: (progress: News) => unknown;
}

/**
 * One call of a method that takes long: what stops it, and who is told how far it is.
 *
 * What `onProgress` throws, or what a promise that it returns rejects with, is the end of the call that it was given to,
 * as if that call had been aborted for this reason.
 */
export class Call<News> {
  readonly #failure = new AbortController();
  readonly #onProgress: ((progress: News) => unknown) | undefined;
  readonly #answers = new Set<Promise<unknown>>();
  /** Aborted by the caller, or because the listener failed. */
  readonly signal: AbortSignal;

  /** @throws ERR_INVALID_OPTION */
  constructor(options: unknown) {
    const { signal, onProgress } = readOptions<News>(options);
    this.#onProgress = onProgress;
    this.signal = signal ? AbortSignal.any([signal, this.#failure.signal]) : this.#failure.signal;
  }

  /** @returns whether anybody listens */
  tell(news: News): boolean {
    if (!this.#onProgress) return false;
    if (this.signal.aborted) return true;
    try {
      const answer = this.#onProgress(news);
      if (isThenable(answer)) this.#wait(Promise.resolve(answer));
    } catch (error) {
      this.#failure.abort(error);
    }
    return true;
  }

  /** Resolves when the listener is done with everything that it was told; rejects with the reason once the call is over. */
  async answered(): Promise<void> {
    await abortable(() => Promise.all(this.#answers), this.signal);
    this.signal.throwIfAborted();
  }

  #wait(answer: Promise<unknown>): void {
    this.#answers.add(answer);
    answer.then(
      () => this.#answers.delete(answer),
      (error: unknown) => this.#failure.abort(error),
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function readOptions<News>(options: unknown): CallOptions<News> {
  try {
    if (typeof options !== "object" || options === null || Array.isArray(options)) {
      throw invalid(
        "options",
        `Options are ${describe(options)}; expected an object like { signal, onProgress }.`,
      );
    }
    const { signal, onProgress, ...others } = options as Record<string, unknown>;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) {
      throw invalid(unknown, `There is no option "${unknown}" here. Options: signal, onProgress.`);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalid("signal", `signal must be an AbortSignal; it is ${describe(signal)}.`);
    }
    if (onProgress !== undefined && typeof onProgress !== "function") {
      throw invalid("onProgress", `onProgress must be a function; it is ${describe(onProgress)}.`);
    }
    return { signal, onProgress } as CallOptions<News>;
  } catch (cause) {
    if (RewardModelScoreError.is(cause)) throw cause;
    throw invalid("options", "The options cannot be read.", cause);
  }
}

function invalid(
  option: string,
  message: string,
  cause?: unknown,
): RewardModelScoreError<"ERR_INVALID_OPTION"> {
  return new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    message,
    { option },
    cause === undefined ? {} : { cause },
  );
}
