import { abortable } from "./abortable.js";

/**
 * Windows: the rows that are planned together. Larger ones pack better and find more shared beginnings; their number
 * in memory is what bounds a stream without end.
 */
const WINDOW_ROWS = 512;

/**
 * Cuts rows into windows, reading no further than the next window. An abort ends it at once, also while the source is
 * silent.
 */
export async function* readWindows<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  signal: AbortSignal,
): AsyncGenerator<Row[]> {
  const source = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  let window: Row[] = [];
  let ended = false;
  try {
    for (;;) {
      const item = await abortable(async () => source.next(), signal);
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
