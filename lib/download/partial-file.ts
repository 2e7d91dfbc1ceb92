import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { readText } from "../io/regular-file.js";

/** Bytes from `start` up to and without `end`. */
export interface Interval {
  start: number;
  end: number;
}

/** Milliseconds between two lines of the log: what a crash costs at most. */
const LOG_INTERVAL = 250;

/**
 * A blob on its way: a sparse file and a log of what is in it.
 *
 * The log gets its lines after the bytes are written, so that after `kill -9` it claims nothing that is not there. What
 * a power failure may take away all the same, the hash finds.
 */
export class PartialFile implements AsyncDisposable {
  #done: Interval[];
  /** ETag of the answer that the bytes came from, for If-Range. */
  #etag: string | undefined;
  /** Bytes that the log does not know of yet. */
  #unlogged: Interval[] = [];
  #loggedAt = Date.now();
  #closed = false;

  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly data: FileHandle,
    private readonly log: FileHandle,
    state: { done: Interval[]; etag: string | undefined },
  ) {
    this.#done = state.done;
    this.#etag = state.etag;
  }

  /** Opens what an earlier attempt left for this blob, or starts anew. */
  static async open(blob: string, size: number): Promise<PartialFile> {
    const { dataPath, logPath } = paths(blob);
    const state = await readLog(blob, size);
    if (!state) await Promise.all([rm(dataPath, { force: true }), rm(logPath, { force: true })]);
    const data = await open(dataPath, state ? "r+" : "w+");
    try {
      const log = await open(logPath, state ? "a" : "w");
      // A line that was cut off by a crash must not swallow the next one.
      await log.appendFile(state ? "\n" : `size ${size}\n`);
      return new PartialFile(dataPath, size, data, log, state ?? { done: [], etag: undefined });
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** Bytes of the blob that an earlier attempt left. */
  static async bytesKept(blob: string, size: number): Promise<number> {
    return lengthOf((await readLog(blob, size))?.done ?? []);
  }

  get etag(): string | undefined {
    return this.#etag;
  }

  get bytes(): number {
    return lengthOf(this.#done);
  }

  /** Everything before this byte is there. */
  get frontier(): number {
    const first = this.#done[0];
    return first?.start === 0 ? first.end : 0;
  }

  missing(): Interval[] {
    const gaps: Interval[] = [];
    let at = 0;
    for (const { start, end } of this.#done) {
      if (start > at) gaps.push({ start: at, end: start });
      at = end;
    }
    if (at < this.size) gaps.push({ start: at, end: this.size });
    return gaps;
  }

  async noteEtag(etag: string): Promise<void> {
    if (this.#etag !== undefined) return;
    this.#etag = etag;
    await this.log.appendFile(`etag ${etag}\n`);
  }

  async write(chunks: readonly Buffer[], start: number): Promise<void> {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    let { bytesWritten } = await this.data.writev(chunks, start);
    if (bytesWritten < length) {
      const rest = Buffer.concat(chunks);
      while (bytesWritten < length) {
        bytesWritten += (
          await this.data.write(rest, bytesWritten, length - bytesWritten, start + bytesWritten)
        ).bytesWritten;
      }
    }
    const written = { start, end: start + length };
    this.#done = merged([...this.#done, written]);
    this.#unlogged = merged([...this.#unlogged, { ...written }]);
    if (Date.now() - this.#loggedAt > LOG_INTERVAL) await this.#writeLog();
  }

  /** Forgets all bytes: the source cannot go on from the middle, or they are wrong. */
  async restart(): Promise<void> {
    this.#done = [];
    this.#unlogged = [];
    this.#etag = undefined;
    await this.log.truncate(0);
    await this.log.appendFile(`size ${this.size}\n`);
  }

  /** Gives the verified bytes their name. */
  async finish(blob: string): Promise<void> {
    await this[Symbol.asyncDispose]();
    await rename(this.path, blob);
    await PartialFile.tidy(blob);
  }

  /** Removes the log of a blob that has its name: a kill between the steps of `finish` leaves it. */
  static async tidy(blob: string): Promise<void> {
    await rm(paths(blob).logPath, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#writeLog();
    } finally {
      await Promise.all([this.data.close(), this.log.close()]);
    }
  }

  async #writeLog(): Promise<void> {
    const lines = this.#unlogged.map(({ start, end }) => `have ${start} ${end}\n`).join("");
    this.#unlogged = [];
    this.#loggedAt = Date.now();
    if (lines !== "") await this.log.appendFile(lines);
  }
}

/** Not `<oid>.incomplete`: older `huggingface_hub` appends to that name, whatever is in it. */
function paths(blob: string): { dataPath: string; logPath: string } {
  return { dataPath: `${blob}.ranges.incomplete`, logPath: `${blob}.ranges.log` };
}

async function readLog(
  blob: string,
  size: number,
): Promise<{ done: Interval[]; etag: string | undefined } | undefined> {
  const { dataPath, logPath } = paths(blob);
  const text = await readText(logPath).catch(() => undefined);
  const data = await stat(dataPath).catch(() => undefined);
  if (text === undefined || !data?.isFile()) return undefined;
  const lines = text.split("\n").slice(0, -1); // the last one has no end: it is empty, or was cut off
  if (lines[0] !== `size ${size}`) return undefined;
  const done: Interval[] = [];
  let etag: string | undefined;
  for (const line of lines) {
    const [, start, end] = /^have (\d+) (\d+)$/.exec(line) ?? [];
    etag ??= /^etag (".*")$/.exec(line)?.[1];
    if (start !== undefined && Number(start) < Number(end) && Number(end) <= Math.min(size, data.size)) {
      done.push({ start: Number(start), end: Number(end) });
    }
  }
  return { done: merged(done), etag };
}

function merged(intervals: Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const { start, end } of intervals.sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

function lengthOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { start, end }) => sum + end - start, 0);
}
