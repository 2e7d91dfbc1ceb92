import pLimit from "p-limit";
import type { EncodedRow } from "../batching/row.js";
import { RewardModelScoreError } from "../errors.js";
import { abortable, deferred } from "../abortable.js";
import type { OpenModel } from "./scoring-model.js";
import { isFailed, type Failed, type Outcome } from "./outcome.js";
import { readOutcomes } from "./outcomes.js";
import { PackRunner } from "./pack-runner.js";

/** What has been done so far in one call of `score`, `process` or `stream`. */
export interface ScoringProgress {
  /** Rows that have their outcome. */
  rows: number;
  /** All rows of the call, where their number is known: not in `stream`, unless it was given an array. */
  totalRows?: number;
  /** Tokens that were computed. */
  tokens: number;
  /** Tokens that were not, because rows share them. */
  savedTokens: number;
  /** Rows that were cut to `maxLength`. */
  truncatedRows: number;
  /** Tokens that they lost, in all. */
  truncatedTokens: number;
}

/**
 * Two packs are handed to a device at a time: one runs, the next is ready when it ends. More would only make
 * cancellation slower.
 */
const PACKS_IN_FLIGHT = 2;

/** A loaded model at work: plans rows into packs, runs them and hands every row its outcome as soon as its pack is done. */
export class Scorer {
  readonly #slots;

  readonly #runner: PackRunner;
  /** Work that `close` waits for. */
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(readonly model: OpenModel) {
    this.#slots = pLimit(PACKS_IN_FLIGHT * model.native.states.length);
    this.#runner = new PackRunner(model);
  }

  /** @throws ERR_NOT_LOADED once it is closed */
  requireOpen(): void {
    if (this.#closed) throw notLoaded();
  }

  /** Makes `close` wait for some work. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const done = () => this.#running.delete(work);
    work.then(done, done);
    return work;
  }

  /** Waits for running work, though not for a row that never ends, then frees the model. */
  async close(): Promise<void> {
    this.#closed = true;
    this.model.hurry();
    await Promise.allSettled(this.#running);
    await this.model.close();
  }

  /**
   * @param rows rows that could not be encoded keep their place and are their own outcome
   * @returns a promise for each row, in the order of the rows; a row that the engine cannot compute rejects with the
   *   engine's error, and all that have not run reject with `signal.reason` once it is aborted
   */
  run(
    rows: readonly (EncodedRow | Failed)[],
    signal: AbortSignal,
    onPack: (done: Done) => void,
  ): Promise<Outcome>[] {
    const { scoreShape } = this.model;
    const places: number[] = [];
    const encoded: EncodedRow[] = [];
    rows.forEach((row, place) => {
      if (isFailed(row)) return;
      places.push(place);
      encoded.push(row);
    });

    const waiting = rows.map(() => deferred<Outcome>());
    rows.forEach((row, place) => {
      if (isFailed(row)) waiting[place]!.resolve(row);
    });
    for (const pack of this.#runner.plan(encoded)) {
      const run = this.#slots(async () => {
        for (const result of await abortable(() => this.#runner.run(pack, encoded), signal)) {
          if ("error" in result) {
            waiting[places[result.row]!]!.reject(result.error);
            continue;
          }
          for (const [row, outcome] of readOutcomes(result, scoreShape))
            waiting[places[row]!]!.resolve(outcome);
        }
        onPack({
          rows: pack.rows.length,
          tokens: pack.batch.fields.ids.length,
          savedTokens: pack.savedTokens,
        });
      });
      run.catch((error: unknown) => {
        for (const row of pack.rows) waiting[places[row]!]!.reject(error);
      });
    }
    // A caller that stops at the first failure leaves the others' promises alone.
    for (const { promise } of waiting) promise.catch(() => {});
    return waiting.map(({ promise }) => promise);
  }
}

/** What one pack did. */
export type Done = Pick<ScoringProgress, "rows" | "tokens" | "savedTokens">;

export function notLoaded(): RewardModelScoreError<"ERR_NOT_LOADED"> {
  return new RewardModelScoreError(
    "ERR_NOT_LOADED",
    "No model is loaded. Call load() first, and unload() last.",
    {},
  );
}
