import type { EncodedRow } from "../batching/row.js";
import type { Pack } from "../batching/packed.js";
import type { ScoreShape } from "../scoring/outcomes.js";
import type { DeviceMap } from "../device-map/infer.js";
import type { Replicas } from "../scoring/replicas.js";

/** What runs, how rows are planned for it, and how its numbers are read. */
export interface ScoringModel {
  native: Replicas;
  /** Which module is where, in the words of transformers. */
  deviceMap: DeviceMap;
  /**
   * Which tokens of a row the head reads.
   *
   * @throws ERR_INVALID_ROWS when the row lacks a token that the head needs
   */
  toRow(ids: Int32Array): EncodedRow;
  /** @param budget tokens computed per pack; a single row may be longer */
  plan: (rows: readonly EncodedRow[], budget: number) => Pack[];
  /** The budget to begin with. */
  maxBatchTokens: number;
  scoreShape: ScoreShape;
  /** Weights that every token is multiplied with; undefined for archives, which do not say. */
  weightsPerToken: number | undefined;
}
