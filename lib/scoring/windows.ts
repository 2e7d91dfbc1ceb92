/**
 * Windows: the rows that are planned together. Larger ones pack better and find more shared beginnings; their number
 * in memory is what bounds a stream without end.
 */
const WINDOW_ROWS = 512;

/** Cuts rows into windows, reading no further than the next window. */
export async function* readWindows<Row>(rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row[]> {
  let window: Row[] = [];
  for await (const row of rows) {
    window.push(row);
    if (window.length === WINDOW_ROWS) {
      yield window;
      window = [];
    }
  }
  if (window.length > 0) yield window;
}

/**
 * Keeps one item of `source` in the making while the last one is being used, so that tokenization of the next window
 * runs beside the model's work on this one.
 */
export async function* prefetch<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
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
    await source.return(undefined);
  }
}
