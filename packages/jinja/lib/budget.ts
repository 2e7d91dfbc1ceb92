import { TemplateError } from "./error.js";

/*
 * A template comes with a model and may be anything: a list that is doubled sixty times, loops in loops. So whatever a
 * rendering does is counted where it is done, and what it makes before it is made. The unit is about one character that
 * is read or one byte that is kept: a budget bounds time and memory alike. No clock is asked, so the same template and
 * conversation always end in the same way.
 */

/** One expression or statement. */
export const STEP = 16;
/** One entry of a list, or a character that becomes one. */
export const ITEM = 16;
/** One entry of a dict. */
export const ENTRY = 64;
/** A dict or namespace without its entries. */
export const DICT = 256;
/** One round of a loop or call of a macro, which has names of its own. */
export const ROUND = 1024;

/** A rendering is synchronous, so there is one budget at a time. */
let left = Infinity;

/** Throws TemplateError when no more than what has been spent was allowed. */
export function spend(cost: number): void {
  left -= cost;
  // A cost that is not finite makes it NaN.
  if (!(left >= 0))
    throw new TemplateError("it does or makes more than any conversation needs; it may have no end");
}

export function withBudget<T>(budget: number, work: () => T): T {
  const outer = left;
  left = budget;
  try {
    return work();
  } finally {
    left = outer;
  }
}
