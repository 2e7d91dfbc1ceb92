import type { BigIntStats } from "node:fs";
import { fstat } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { RewardModelScoreError } from "../errors.js";
import { gunzip, GzipError } from "./gunzip.js";
import { followLinks } from "./links.js";

const STDIN = 0;
/** Bytes that are enough to know a kind of file by. */
const HEAD = 64 * 1024;

/** Bytes of a file, decompressed if its name ends in `.gz`, or of standard input for `-`. */
export class InputFile {
  readonly #chunks: AsyncGenerator<Buffer>;
  /** What `head` has taken from the chunks. */
  readonly #ahead: Buffer[] = [];
  #head: Promise<Buffer> | undefined;
  readonly #isCompressed: boolean;
  /** Bytes of the file that have been read. */
  #read = 0;

  private constructor(
    /** Its path, or "standard input". */
    readonly name: string,
    /** Which file it is. */
    readonly stats: BigIntStats,
    private readonly source: Readable,
  ) {
    this.#isCompressed = name.endsWith(".gz");
    this.#chunks = this.#isCompressed ? gunzip(this.#raw()) : this.#raw();
    // Whoever reads is told; when nobody does, an error is no reason to end the process.
    source.on("error", () => {});
  }

  static async open(path: string): Promise<InputFile> {
    try {
      if (path === "-" || (await followLinks(path)).descriptor === STDIN) {
        const stats = await promisify(fstat)(STDIN, { bigint: true });
        return new InputFile("standard input", stats, process.stdin);
      }
      if ((await stat(path)).isDirectory()) {
        throw new RewardModelScoreError("ERR_IO", `${path} is a directory, not a file of rows.`, { path });
      }
      const handle = await open(path);
      return new InputFile(path, await handle.stat({ bigint: true }), handle.createReadStream());
    } catch (error) {
      throw readError(error, path);
    }
  }

  /** Its first line that is not blank with what has come behind it, or as much as is enough to tell what it is. */
  head(): Promise<Buffer> {
    this.#head ??= this.#readHead();
    return this.#head;
  }

  async #readHead(): Promise<Buffer> {
    let size = 0;
    let begun = false;
    for (let ended = false; size < HEAD && !ended;) {
      const { done, value } = await this.#next();
      if (done) break;
      this.#ahead.push(value);
      size += value.length;
      const text = value.toString("latin1");
      const start: number = begun ? 0 : text.search(/\S/);
      begun = start !== -1;
      ended = begun && text.includes("\n", start);
    }
    return Buffer.concat(this.#ahead);
  }

  get isStandardInput(): boolean {
    return this.source === process.stdin;
  }

  /**
   * How much of the file lies before a position in its text, from 0 to 1; undefined where its size is not known. Of a
   * compressed file, how much has been read.
   */
  fraction(position: number): number | undefined {
    const size = Number(this.stats.size);
    if (!this.stats.isFile() || size === 0 || this.isStandardInput) return undefined;
    return (this.#isCompressed ? this.#read : position) / size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    yield* this.#ahead.splice(0);
    for (;;) {
      const { done, value } = await this.#next();
      if (done) return;
      yield value;
    }
  }

  /** Whoever waits for bytes gets the reason. */
  close(reason?: Error): void {
    this.source.destroy(reason);
  }

  async #next(): Promise<IteratorResult<Buffer, void>> {
    try {
      return await this.#chunks.next();
    } catch (error) {
      throw readError(error, this.name);
    }
  }

  async *#raw(): AsyncGenerator<Buffer> {
    for await (const chunk of this.source as AsyncIterable<Buffer>) {
      this.#read += chunk.length;
      yield chunk;
    }
  }
}

function readError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof RewardModelScoreError) return error;
  if (error instanceof GzipError) {
    return new RewardModelScoreError(
      "ERR_IO",
      `${path} cannot be read: ${error.message}. "gzip -t" tests a file; fetch or make it again.`,
      { path },
      { cause: error },
    );
  }
  if (!("code" in error)) return error;
  const { code, message } = error;
  if (code === "ENOENT") {
    return new RewardModelScoreError("ERR_NOT_FOUND", `${path} does not exist.`, { path }, { cause: error });
  }
  return new RewardModelScoreError(
    "ERR_IO",
    `${path} cannot be read: ${message}.`,
    { path },
    { cause: error },
  );
}
