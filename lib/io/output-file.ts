import type { BigIntStats } from "node:fs";
import { fstat } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { RewardModelScoreError } from "../errors.js";
import { AtomicFile } from "./atomic-file.js";
import type { ByteSink } from "./byte-sink.js";
import { writeError } from "./disk.js";
import { followLinks } from "./links.js";
import { StandardOutput, StreamOutput } from "./stream-output.js";

const STDOUT = 1;
const NEWLINE = Buffer.from("\n");
/** Text of a gzip member: large enough to compress well, small enough to be soon on the disk. */
const MEMBER = 128 * 1024;
/** Bytes that may wait to be written before whoever makes them has to wait. */
const MOST_WAITING = 256 * 1024;

/**
 * Lines on their way to a file, compressed if its name ends in `.gz`, or to standard output for `-`.
 *
 * A file of this name is always complete (`AtomicFile`); a compressed one is a sequence of gzip members of whole lines,
 * so that also what an interrupted run leaves can be read. Devices and pipes are written to directly.
 */
export class OutputFile {
  /** How many lines are written. */
  lines = 0;
  #waiting: Buffer[] = [];
  #size = 0;
  #writing: Promise<void> | undefined;
  #error: Error | undefined;

  private constructor(
    private readonly sink: ByteSink,
    private readonly isCompressed: boolean,
  ) {}

  /**
   * Fails if the file could not be written, before any work is done.
   *
   * @param input a file that is read meanwhile; it is never written to
   * @throws ERR_IO, ERR_DISK_FULL; ERR_INVALID_OPTION where input and output are one file
   */
  static async open(path: string, input?: BigIntStats): Promise<OutputFile> {
    try {
      return new OutputFile(await openSink(path, input), path.endsWith(".gz"));
    } catch (error) {
      throw writeError(error, path);
    }
  }

  /** Where the lines are until `commit`, and stay without it; undefined where they cannot. */
  get partial(): string | undefined {
    return this.sink.partial;
  }

  /** A promise where lines come faster than they are written: then it has to be waited for. */
  write(line: string): Promise<void> | undefined {
    this.#throwError();
    const bytes = Buffer.from(line);
    this.#waiting.push(bytes, NEWLINE);
    this.#size += bytes.length + 1;
    if (!this.isCompressed || this.#size >= MEMBER) this.#writing ??= this.#writeWaiting();
    return this.#size < MOST_WAITING ? undefined : this.#writing!.then(() => this.#throwError());
  }

  /** The file is complete: it gets its name. */
  async commit(): Promise<void> {
    await this.#finish();
    this.#throwError();
    try {
      await this.sink.commit();
    } catch (error) {
      throw writeError(error, this.sink.name);
    }
  }

  /** The work was not finished: what was written stays in `partial`, unless it is nothing. */
  async abandon(): Promise<void> {
    if (this.partial !== undefined) await this.#finish();
    await this.sink.abandon();
  }

  async #finish(): Promise<void> {
    await this.#writing;
    if (this.#size > 0) await this.#writeWaiting();
  }

  /** Never rejects: what goes wrong is told to the next who asks. */
  async #writeWaiting(): Promise<void> {
    try {
      while (this.#error === undefined && this.#size > 0) {
        const waiting = this.#waiting;
        this.#waiting = [];
        this.#size = 0;
        const text = Buffer.concat(waiting);
        await this.sink.append(this.isCompressed ? await promisify(gzip)(text) : text);
        this.lines += waiting.length / 2;
        if (this.isCompressed && this.#size < MEMBER) break;
      }
    } catch (error) {
      this.#error ??= writeError(error, this.sink.name) as Error;
    } finally {
      this.#writing = undefined;
    }
  }

  #throwError(): void {
    if (this.#error) throw this.#error;
  }
}

async function openSink(path: string, input: BigIntStats | undefined): Promise<ByteSink> {
  if (path === "" || /[\\/]$/.test(path)) {
    throw new RewardModelScoreError("ERR_IO", `"${path}" is not the name of a file.`, { path });
  }
  const place = path === "-" ? { path, descriptor: STDOUT } : await followLinks(path);
  if (place.descriptor === STDOUT) {
    if (isSameFile(input, await promisify(fstat)(STDOUT, { bigint: true })))
      throw isInput("the file behind standard output");
    return new StandardOutput();
  }
  const existing = await stat(path, { bigint: true }).catch(ignoreMissing);
  if (existing?.isDirectory()) {
    throw new RewardModelScoreError("ERR_IO", `${path} is a directory; name a file in it.`, { path });
  }
  if (isSameFile(input, existing)) throw isInput(path);
  if (place.descriptor !== undefined || (existing && !existing.isFile()))
    return await StreamOutput.open(path);
  for (const name of Object.values(AtomicFile.namesOf(place.path))) {
    if (isSameFile(input, await stat(name, { bigint: true }).catch(ignoreMissing)))
      throw isInput(name, `; ${path} has its rows there until it is complete`);
  }
  return await AtomicFile.claim(place.path);
}

function isInput(file: string, why = ""): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `The rows are read from ${file} and cannot be written there too${why}. Name another output.`,
    { option: "output" },
  );
}

/** Whether writing to one would change what is read from the other. */
function isSameFile(a: BigIntStats | undefined, b: BigIntStats | undefined): boolean {
  if (a === undefined || b === undefined || !(a.isFile() || a.isFIFO())) return false;
  return a.dev === b.dev && a.ino === b.ino;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
