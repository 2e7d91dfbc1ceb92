import type { EncodedRow } from "../batching/row.js";
import type { Pack } from "../batching/packed.js";
import { RewardModelScoreError } from "../errors.js";
import type { BatchScores, NativeModel } from "../native/binding.js";
import type { ScoringModel } from "./scoring-model.js";

/** Scores of the rows of one pack, in the order of `pack.rows`. */
export interface PackResult {
  pack: Pack;
  scores: BatchScores;
}

/** What became of the rows of a pack: scores of every pack that ran, and the rows that cannot be computed. */
export type PackOutcome = PackResult | { row: number; error: RewardModelScoreError };

/**
 * Plans packs and runs them, whatever happens to some of them: one row that cannot be computed never takes its
 * neighbours with it.
 *
 * Where memory runs out, the budget of tokens is halved for everything that follows, and the pack's rows are planned
 * again. Where the model fails, the pack's rows are planned again in halves. A row that fails alone has failed.
 */
export class PackRunner {
  readonly #native: NativeModel;
  readonly #plan: ScoringModel["plan"];
  #budget: number;

  constructor(model: Pick<ScoringModel, "plan" | "maxBatchTokens"> & { native: NativeModel }) {
    this.#native = model.native;
    this.#plan = model.plan;
    this.#budget = model.maxBatchTokens;
  }

  plan(rows: readonly EncodedRow[]): Pack[] {
    return this.#plan(rows, this.#budget);
  }

  /**
   * @param rows what the pack was planned from: `pack.rows` and the rows of the outcomes are indexes into it
   * @throws what concerns more than the pack, as an unloaded model
   */
  async run(pack: Pack, rows: readonly EncodedRow[]): Promise<PackOutcome[]> {
    // The budget may have fallen since the pack was planned.
    const tooLarge = pack.batch.fields.ids.length > this.#budget && pack.rows.length > 1;
    return tooLarge ? this.#runAll(this.#smallerPacks(pack, rows), rows) : this.#attempt(pack, rows);
  }

  async #attempt(pack: Pack, rows: readonly EncodedRow[]): Promise<PackOutcome[]> {
    try {
      return [{ pack, scores: await this.#native.forward(pack.batch) }];
    } catch (error) {
      const outOfMemory = RewardModelScoreError.is(error, "ERR_OUT_OF_MEMORY");
      if (!outOfMemory && !RewardModelScoreError.is(error, "ERR_BACKEND")) throw error;
      if (pack.rows.length === 1) return [{ row: pack.rows[0]!, error }];
      if (outOfMemory) this.#budget = Math.min(this.#budget, pack.batch.fields.ids.length >> 1);
      return this.#runAll(outOfMemory ? this.#smallerPacks(pack, rows) : this.#halves(pack, rows), rows);
    }
  }

  async #runAll(packs: readonly Pack[], rows: readonly EncodedRow[]): Promise<PackOutcome[]> {
    const outcomes: PackOutcome[] = [];
    for (const pack of packs) outcomes.push(...(await this.run(pack, rows)));
    return outcomes;
  }

  /** The pack's rows within the present budget, in two packs at least. */
  #smallerPacks(pack: Pack, rows: readonly EncodedRow[]): Pack[] {
    const packs = this.#planMembers(pack.rows, rows);
    return packs.length > 1 ? packs : this.#halves(pack, rows);
  }

  #halves({ rows: members }: Pack, rows: readonly EncodedRow[]): Pack[] {
    const middle = members.length >> 1;
    return [members.slice(0, middle), members.slice(middle)].flatMap((half) => this.#planMembers(half, rows));
  }

  #planMembers(members: readonly number[], rows: readonly EncodedRow[]): Pack[] {
    const packs = this.plan(members.map((row) => rows[row]!));
    return packs.map((pack) => ({ ...pack, rows: pack.rows.map((index) => members[index]!) }));
  }
}
