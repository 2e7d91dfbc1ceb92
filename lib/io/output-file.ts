import { once } from "node:events";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { RewardModelScoreError } from "../errors.js";
import { writeError } from "./disk.js";

/**
 * Lines on their way to a file, compressed if its name ends in `.gz`.
 *
 * They go to `<path>.partial` and become the file when all is written, so that a file under its own name is always
 * complete. Devices and pipes are written to directly.
 */
export class OutputFile {
  /** Where the lines are until `commit`. */
  readonly partial: string;
  lines = 0;
  readonly #path: string;
  readonly #sink: Writable;
  readonly #file: Writable;
  #error: Error | undefined;

  private constructor(path: string, partial: string, file: Writable) {
    this.#path = path;
    this.partial = partial;
    this.#file = file;
    this.#sink = path.endsWith(".gz") ? createGzip() : file;
    if (this.#sink !== file) this.#sink.pipe(file);
    const fail = (error: Error) => {
      this.#error ??= error;
      this.#sink.destroy(error);
    };
    file.on("error", fail);
  }

  /** Fails if the file could not be written, before any work is done. */
  static async open(path: string): Promise<OutputFile> {
    try {
      const existing = await stat(path).catch(ignoreMissing);
      if (existing?.isDirectory()) {
        throw new RewardModelScoreError("ERR_IO", `${path} is a directory; name a file in it.`, { path });
      }
      // Renaming would replace a link, not what it points to.
      const target = existing ? await realpath(path) : resolve(path);
      const partial = existing && !existing.isFile() ? target : `${target}.partial`;
      const handle = await open(partial, "w");
      return new OutputFile(target, partial, handle.createWriteStream());
    } catch (error) {
      throw writeError(error, path);
    }
  }

  async write(line: string): Promise<void> {
    if (this.#error) throw writeError(this.#error, this.partial);
    this.lines++;
    if (this.#sink.write(`${line}\n`)) return;
    try {
      await once(this.#sink, "drain");
    } catch (error) {
      throw writeError(this.#error ?? error, this.partial);
    }
  }

  /** The file is complete: it gets its name. */
  async commit(): Promise<void> {
    try {
      await this.#end();
      if (this.partial !== this.#path) await rename(this.partial, this.#path);
    } catch (error) {
      throw writeError(error, this.partial);
    }
  }

  /** The work was not finished: what was written stays in `partial`, unless it is nothing. */
  async abandon(): Promise<void> {
    await this.#end().catch(() => {});
    if (this.lines === 0 && this.partial !== this.#path) await rm(this.partial, { force: true });
  }

  async #end(): Promise<void> {
    if (this.#error) throw this.#error;
    this.#sink.end();
    await finished(this.#file);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
