import type { EncodedRow } from "../batching/row.js";
import type { RewardStatistics } from "../architectures/statistics.js";
import type { Pack } from "../batching/packed.js";
import type { DeviceMap } from "../device-map/infer.js";
import type { InputFormat } from "../rows/types.js";
import type { TokenFields } from "../tokenizer/token-fields.js";
import type { TokenizerPool } from "../tokenizer/tokenizer.js";
import type { Activation } from "./activation.js";
import type { Replicas } from "./replicas.js";

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
  toRow(fields: TokenFields): EncodedRow;
  /** @param budget tokens computed per pack; a single row may be longer */
  plan: (rows: readonly EncodedRow[], budget: number) => Pack[];
  /** The budget to begin with. */
  maxBatchTokens: number;
  scoreShape: ScoreShape;
  /** Weights that every token is multiplied with; undefined for archives, which do not say. */
  weightsPerToken: number | undefined;
}

/** How the numbers of a head become a row's score. */
export interface ScoreShape {
  /** The head reads several tokens of a row: the score is a list with one entry per step. */
  perStep: boolean;
  /** Return the head's further outputs. */
  attributes: boolean;
  /** Names of the entries of an output, by output. */
  names: Record<string, readonly string[]>;
  /** Scores are (score - mean) / std; absent: raw. */
  normalization?: RewardStatistics;
  /** What is applied to them then; absent: nothing. */
  activation?: Activation;
}

/** A model that is ready to score, from text to scores. */
export interface OpenModel extends ScoringModel {
  /** What rows are read as. */
  inputFormat: InputFormat;
  encode: TokenizerPool["encode"];
  hurry: TokenizerPool["hurry"];
  close(): Promise<void>;
}
