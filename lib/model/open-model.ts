import type { EncodedRow } from "../batching/row.js";
import type { Pack } from "../batching/packed.js";
import type { NativeModel } from "../native/binding.js";
import type { ScoreShape } from "../scoring/outcomes.js";

/** A model that is ready to score: what runs, how rows are planned for it, and how its numbers are read. */
export interface OpenModel {
  native: NativeModel;
  /** Which tokens of a row the head reads; throws when the row lacks the token that the head needs. */
  toRow(ids: Int32Array): EncodedRow;
  plan: (rows: readonly EncodedRow[]) => Pack[];
  scoreShape: ScoreShape;
}
