import type { TokenFields } from "../tokenizer/token-fields.js";

/** A row that is ready to be computed: its tokens and which of them the head reads. */
export interface EncodedRow {
  /** At least one token. */
  fields: TokenFields;
  /** Index of each token that the head pools: one, or one per step for a process reward model. */
  pooled: readonly number[];
  /** Index of the token that a gating head reads beside each pooled one; empty without a gate. */
  gates: readonly number[];
}
