import { characterLength, slice, type Piece } from "./piece.js";

/** Part of a text: what a pattern matches, or what lies between two matches. */
export interface Stretch {
  start: number;
  end: number;
  match: boolean;
}

export const BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;

/** What becomes of the matches when a text is split at them. */
export type Behavior = (typeof BEHAVIORS)[number];

/**
 * The whole text in stretches. An empty match divides the text too, unless it follows the match before it at once, as
 * in Oniguruma's iteration.
 */
export function stretches(text: string, pattern: RegExp): Stretch[] {
  const result: Stretch[] = [];
  if (text === "") return result;
  let covered = 0;
  let lastMatch = -1;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const start = match.index;
    const end = start + match[0].length;
    if (start === end) {
      pattern.lastIndex = end < text.length ? end + characterLength(text, end) : Infinity;
      // V8 finds empty matches inside of surrogate pairs too.
      if (end === lastMatch || (end > 0 && characterLength(text, end - 1) === 2)) continue;
    }
    if (covered < start) result.push({ start: covered, end: start, match: false });
    result.push({ start, end, match: true });
    covered = lastMatch = end;
  }
  if (covered < text.length) result.push({ start: covered, end: text.length, match: false });
  return result;
}

export function split(piece: Piece, pattern: RegExp, behavior: Behavior, invert = false): Piece[] {
  const all = stretches(piece.text, pattern);
  if (invert) for (const stretch of all) stretch.match = !stretch.match;
  return arrange(all, behavior)
    .filter(({ start, end }) => start < end)
    .map(({ start, end }) => slice(piece, start, end));
}

function arrange(all: Stretch[], behavior: Behavior): Stretch[] {
  switch (behavior) {
    case "Removed":
      return all.filter(({ match }) => !match);
    case "Isolated":
      return all;
    case "Contiguous":
      return joined(all, (stretch, previous) => stretch.match === previous.match);
    case "MergedWithPrevious":
      return joined(all, (stretch, previous) => stretch.match && !previous.match);
    case "MergedWithNext":
      return joined(all, (stretch, previous) => !stretch.match && previous.match);
  }
}

/** Neighbours as one where they belong together; of three in a row, the last two may not. */
function joined(all: Stretch[], together: (stretch: Stretch, previous: Stretch) => boolean): Stretch[] {
  const result: Stretch[] = [];
  let previous: Stretch | undefined;
  for (const stretch of all) {
    const last = result.at(-1);
    if (last !== undefined && together(stretch, previous!)) last.end = stretch.end;
    else result.push({ ...stretch });
    previous = stretch;
  }
  return result;
}
