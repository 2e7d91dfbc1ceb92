import { setTimeout as sleep } from "node:timers/promises";
import { RewardModelScoreError } from "../errors.js";

/** How failures that may pass are met. */
export interface RetryPolicy {
  /** Attempts that bring nothing, in a row, before giving up. */
  attempts: number;
  /** Wait after the first failure; doubles with each further one. */
  baseDelay: number;
  maxDelay: number;
  /** A server that asks to wait longer than this is not waited for. */
  maxRetryAfter: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 6,
  baseDelay: 500,
  maxDelay: 15_000,
  maxRetryAfter: 300_000,
};

/** A failure that may pass: the network's, or a status such as 429 or 503. */
export class TransientError extends Error {
  constructor(
    message: string,
    readonly url: string,
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Milliseconds to wait after failure `attempt`; with jitter, so that many clients do not come back at once. */
export function waitAfter(policy: RetryPolicy, attempt: number, error: TransientError): number {
  const exponential = Math.min(policy.maxDelay, policy.baseDelay * 2 ** (attempt - 1));
  return Math.max(error.retryAfter ?? 0, exponential * (0.5 + Math.random() / 2));
}

export async function backOff(
  policy: RetryPolicy,
  attempt: number,
  error: TransientError,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await sleep(waitAfter(policy, attempt, error), undefined, { ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted(); // the caller's own reason
    throw cause;
  }
}

/** Does something until it succeeds, fails for good, or patience is over: then it is the last failure that is thrown. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  policy: RetryPolicy,
  signal?: AbortSignal,
): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (givesUp(policy, count, error)) throw error;
      await backOff(policy, count, error, signal);
    }
  }
}

export function givesUp(policy: RetryPolicy, attempt: number, error: TransientError): boolean {
  return attempt >= policy.attempts || (error.retryAfter ?? 0) > policy.maxRetryAfter;
}

/** Milliseconds from `Retry-After` (seconds or a date), else from the Hub's `RateLimit: "api";r=0;t=55`. */
export function parseRetryAfter(
  headers: { retryAfter?: string | undefined; rateLimit?: string | undefined },
  now = Date.now(),
): number | undefined {
  const text = headers.retryAfter?.trim();
  if (text !== undefined && /^\d+$/.test(text)) return Number(text) * 1000;
  const date = text === undefined ? NaN : Date.parse(text);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const reset = /;\s*t=(\d+)/.exec(headers.rateLimit ?? "")?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}

/** What remains of a transient failure when patience is over. */
export function afterRetries(error: TransientError): RewardModelScoreError {
  const wait = error.retryAfter ? ` It asks to come back in ${Math.ceil(error.retryAfter / 1000)} s.` : "";
  return new RewardModelScoreError(
    "ERR_NETWORK",
    `${error.url} cannot be reached after several attempts (${error.message}).${wait} Check the connection, ` +
      `HTTPS_PROXY and, for the Hub, HF_ENDPOINT; what was downloaded is kept and the next call goes on from there.`,
    { url: error.url },
    { cause: error },
  );
}

/** For what `retrying` throws. */
export function throwAfterRetries(error: unknown): never {
  throw error instanceof TransientError ? afterRetries(error) : error;
}
