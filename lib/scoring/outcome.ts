import type { ErrorCode } from "../errors.js";

/** The raw logit of a one-label head, else one number per label or, for a process reward model, per step. */
export type Score = number | number[];

/** Named outputs of a custom head for one row, each [width]; or a record of named numbers where names are known. */
export type Attributes = Record<string, number[] | Record<string, number>>;

/** What became of one row. */
export type Outcome = Scored | Failed;

export interface Scored {
  score: Score;
  attributes?: Attributes;
}

/** A row that cannot be scored: its own fault, or the model's answer to it was not a number. */
export interface Failed {
  code: ErrorCode;
  /** Like `conversation[2].content`; empty for the row as a whole. */
  path: string;
  message: string;
}

export function isFailed(outcome: object): outcome is Failed {
  return "code" in outcome;
}
