import { RewardModelScoreError } from "../errors.js";
import type { Side } from "./truncation.js";

/*
 * A row that no model can take is refused before it costs what it would: tokenizing takes time and memory for each
 * character, up to 250 bytes, and attention takes time for each pair of tokens. The bounds are far above what any model
 * gives a useful score for.
 */

/** Of a text, whatever the model: a million tokens of English. */
const MOST_CHARACTERS = 2 ** 22;
/** Of a text that is read for any model. */
const ALWAYS_CHARACTERS = 2 ** 20;
/** Of a text, for each position of the model: no tokenizer makes so few tokens of so many. */
const CHARACTERS_PER_POSITION = 512;
/** Of a text, for each token that truncation leaves. */
const CHARACTERS_PER_KEPT_TOKEN = 64;
/** Tokens of a row for each position of the model: no way of stretching positions goes that far. */
const TOKENS_PER_POSITION = 16;

/** What is known of the lengths that a model and its tokenizer take. */
export interface Limits {
  /** The longest row that truncation leaves; null when it leaves any. */
  maxLength: number | null;
  /** Positions that the model was made for; null when nobody says. */
  positions: number | null;
}

/**
 * The text that is tokenized: all of it, or with truncation the part that can be kept.
 *
 * @throws ERR_INVALID_ROWS
 */
export function readable(text: string, { maxLength, positions }: Limits, side: Side): string {
  const perLimit =
    maxLength === null
      ? CHARACTERS_PER_POSITION * (positions ?? Infinity)
      : CHARACTERS_PER_KEPT_TOKEN * maxLength;
  const most = Math.min(Math.max(perLimit, ALWAYS_CHARACTERS), MOST_CHARACTERS);
  if (text.length <= most) return text;
  if (maxLength !== null) return side === "right" ? text.slice(0, most) : text.slice(-most);
  throw tooLong(`has a text of ${text.length} characters; ${most} are the most that is read for this model`);
}

/** @throws ERR_INVALID_ROWS */
export function requireTokens(count: number, { positions }: Limits): void {
  const most = TOKENS_PER_POSITION * (positions ?? Infinity);
  if (count > most) {
    throw tooLong(
      `has ${count} tokens; the model was made for ${positions}, and ${most} are the most that it is given`,
    );
  }
}

function tooLong(what: string): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  const message = `${what}. Shorten the row, or set truncation: true.`;
  return new RewardModelScoreError("ERR_INVALID_ROWS", message, {
    problems: [{ index: 0, path: "", message }],
  });
}
