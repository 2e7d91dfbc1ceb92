export type Side = "left" | "right";

/** What is left of a sequence when the tokenizer's truncation side loses what is over the limit. */
export function truncate<T>(items: T[], limit: number, side: Side): T[] {
  if (items.length <= limit) return items;
  return side === "right" ? items.slice(0, limit) : items.slice(items.length - limit);
}

/**
 * How many tokens of each of two sequences stay when both together may have `limit`: the rule that the Rust tokenizers
 * call longest_first. The longer one is shortened to the room that the shorter leaves, and both to half of the limit
 * when neither fits.
 */
export function longestFirst(first: number, second: number, limit: number): [first: number, second: number] {
  if (first + second <= limit) return [first, second];
  let short = Math.min(first, second);
  let long = short > limit ? short : Math.max(short, limit - short);
  if (short + long > limit) {
    short = Math.floor(limit / 2);
    long = short + (limit % 2);
  }
  return first > second ? [long, short] : [short, long];
}
