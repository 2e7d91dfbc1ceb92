/** A row that is ready to be computed: its tokens and which of them the head reads. */
export interface EncodedRow {
  /** [tokens], at least one. */
  ids: Int32Array;
  /** Index into `ids` of each token that the head pools: one, or one per step for a process reward model. */
  pooled: readonly number[];
  /** Index into `ids` of the token that a gating head reads beside each pooled one; empty without a gate. */
  gates: readonly number[];
}
