import { RewardModelScoreError } from "../errors.js";
import { describe } from "../rows/text.js";
import { abortable } from "../abortable.js";

/**
 * Windows: the rows that are planned together. Larger ones pack better and find more shared beginnings; their number
 * in memory is what bounds a stream without end.
 */
const WINDOW_ROWS = 512;

/**
 * Cuts rows into windows, reading no further than the next window. An abort ends it at once, also while the source is
 * silent.
 */
export async function* readWindows(rows: unknown, signal: AbortSignal): AsyncGenerator<unknown[]> {
  const source = iterate(rows);
  let window: unknown[] = [];
  let ended = false;
  try {
    for (;;) {
      const item = await abortable(async () => source.next(), signal);
      if (typeof item !== "object" || item === null) {
        ended = true;
        throw invalid(
          `The rows' iterator answered with ${describe(item)}; expected an object like { value, done }.`,
        );
      }
      if (item.done) {
        ended = true;
        break;
      }
      window.push(item.value);
      if (window.length === WINDOW_ROWS) {
        yield window;
        window = [];
      }
    }
    if (window.length > 0) yield window;
  } finally {
    // Not awaited: a generator that is waiting for something answers only when that comes. Its own failure is no news.
    if (!ended) void Promise.resolve(source.return?.()).catch(() => {});
  }
}

/** How many rows there are, where that shows beforehand. */
export function countOf(rows: unknown): number | undefined {
  try {
    return Array.isArray(rows) ? rows.length : undefined;
  } catch {
    return undefined;
  }
}

/** What the source itself throws is the source's own; a value that is no source of rows is an error of ours. */
function iterate(rows: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  const start = methodOf(rows, Symbol.asyncIterator) ?? methodOf(rows, Symbol.iterator);
  // A text can be iterated, but its characters are no rows.
  if (start === undefined || typeof rows === "string") throw notRows(rows);
  const iterator: unknown = start.call(rows);
  if (!methodOf(iterator, "next"))
    throw invalid(`The rows' iterator is ${describe(iterator)} without a method next().`);
  return iterator as Iterator<unknown> | AsyncIterator<unknown>;
}

function methodOf(value: unknown, name: PropertyKey): (() => unknown) | undefined {
  try {
    const method = (value as Partial<Record<PropertyKey, unknown>> | null | undefined)?.[name];
    return typeof method === "function" ? (method as () => unknown) : undefined;
  } catch {
    return undefined;
  }
}

function notRows(rows: unknown): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  const remedy = methodOf(rows, "then")
    ? "Is an await missing?"
    : "Pass an array of rows, or another iterable; a single row goes into an array of its own.";
  return invalid(`The rows are ${describe(rows)}, which cannot be iterated. ${remedy}`);
}

function invalid(message: string): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  return new RewardModelScoreError("ERR_INVALID_ROWS", message, { problems: [] });
}

/**
 * Keeps one item of `source` in the making while the last one is being used, so that tokenization of the next window
 * runs beside the model's work on this one.
 *
 * @param onLeave called before `source` is closed when the reader leaves, so that what is in the making can be stopped
 */
export async function* prefetch<T>(source: AsyncGenerator<T>, onLeave: () => void): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const item = await next;
      if (item.done) return;
      next = source.next();
      // It is awaited in the next turn; until then a failure is not unhandled.
      next.catch(() => {});
      yield item.value;
    }
  } finally {
    onLeave();
    await source.return(undefined);
  }
}
