import type { ReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { RewardModelScoreError } from "../errors.js";

/** Bytes of a file, decompressed if its name ends in `.gz`, or of standard input for `-`. */
export class InputFile {
  readonly #path: string;
  readonly #stream: Readable;
  readonly #file: ReadStream | undefined;
  readonly #size: number | undefined;

  private constructor(path: string, stream: Readable, file?: ReadStream, size?: number) {
    this.#path = path;
    this.#stream = stream;
    this.#file = file;
    this.#size = size;
  }

  static async open(path: string): Promise<InputFile> {
    if (path === "-") return new InputFile("standard input", process.stdin);
    try {
      const stats = await stat(path);
      if (stats.isDirectory()) {
        throw new RewardModelScoreError("ERR_IO", `${path} is a directory, not a file of rows.`, { path });
      }
      const file = (await open(path)).createReadStream();
      const size = stats.isFile() ? stats.size : undefined;
      return new InputFile(path, path.endsWith(".gz") ? file.pipe(gunzip(file)) : file, file, size);
    } catch (error) {
      throw readError(error, path);
    }
  }

  /**
   * How much of the file lies before a position in its text, from 0 to 1; undefined where its size is not known. Of a
   * compressed file, how much has been read.
   */
  fraction(position: number): number | undefined {
    if (this.#file === undefined || !this.#size) return undefined;
    return (this.#stream === this.#file ? position : this.#file.bytesRead) / this.#size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#stream) yield chunk as Buffer;
    } catch (error) {
      throw readError(error, this.#path);
    }
  }

  /** Whoever waits for bytes gets the reason. */
  close(reason?: Error): void {
    this.#stream.destroy(reason);
    this.#file?.destroy();
  }
}

/** `pipe` does not hand on what goes wrong in the source. */
function gunzip(file: ReadStream): ReturnType<typeof createGunzip> {
  const stream = createGunzip();
  file.on("error", (error) => stream.destroy(error));
  return stream;
}

function readError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof RewardModelScoreError || !("code" in error)) return error;
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
