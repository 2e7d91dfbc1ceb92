import pLimit from "p-limit";
import type { EncodedRow } from "../batching/row.js";
import type { OpenModel } from "../model/open-model.js";
import type { Outcome } from "./outcome.js";
import { readOutcomes } from "./outcomes.js";
import { runPack } from "./run-pack.js";

/** What one pack did: for progress bars and throughput reports. */
export interface PackProgress {
  rows: number;
  /** Tokens that were computed. */
  tokens: number;
  /** Tokens that were not, because rows share them. */
  savedTokens: number;
}

/**
 * Two packs are handed to the engine at a time: one runs, the next is ready when it ends. More would only make
 * cancellation slower.
 */
const PACKS_IN_FLIGHT = 2;

/** Plans rows into packs, runs them and hands every row its outcome as soon as its pack is done. */
export class Scorer {
  readonly #slots = pLimit(PACKS_IN_FLIGHT);

  constructor(readonly model: OpenModel) {}

  /**
   * @returns a promise for each row, in the order of the rows; those of a pack that could not run reject with the
   *   engine's error, and all that have not run reject with `signal.reason` once it is aborted
   */
  run(
    rows: readonly EncodedRow[],
    signal: AbortSignal,
    onPack: (progress: PackProgress) => void,
  ): Promise<Outcome>[] {
    const { native, plan, scoreShape } = this.model;
    const waiting = rows.map(() => deferred<Outcome>());
    for (const pack of plan(rows)) {
      const run = this.#slots(async () => {
        for (const result of await abortable(() => runPack(native, pack, rows, plan), signal)) {
          if ("error" in result) {
            waiting[result.row]!.reject(result.error);
            continue;
          }
          for (const [row, outcome] of readOutcomes(result, scoreShape)) waiting[row]!.resolve(outcome);
        }
        onPack({ rows: pack.rows.length, tokens: pack.batch.ids.length, savedTokens: pack.savedTokens });
      });
      run.catch((error: unknown) => {
        for (const row of pack.rows) waiting[row]!.reject(error);
      });
    }
    // A caller that stops at the first failure leaves the others' promises alone.
    for (const { promise } of waiting) promise.catch(() => {});
    return waiting.map(({ promise }) => promise);
  }
}

/** Starts the work unless the signal is aborted, and rejects at once when it is: the running batch is then discarded. */
async function abortable<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}

/** As `Promise.withResolvers`, which Node 20 lacks. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
