import { lstat, open, rename, rm, type FileHandle } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";
import { FileLock, readOwner } from "./file-lock.js";
import type { ByteSink } from "./byte-sink.js";

/**
 * A file that has its name when it is complete. Until then its bytes are in `<path>.partial`, which one process at a
 * time may write: the claim is a lock beside it, so that a process that died holds nothing. What it left is not
 * overwritten.
 */
export class AtomicFile implements ByteSink {
  #size = 0;

  private constructor(
    private readonly path: string,
    readonly partial: string,
    private readonly handle: FileHandle,
    private readonly lock: FileLock,
  ) {}

  get name(): string {
    return this.partial;
  }

  /** Names of the files that the claim of a path concerns. */
  static namesOf(path: string): { partial: string; lock: string } {
    return { partial: `${path}.partial`, lock: `${path}.partial.lock` };
  }

  /** @throws ERR_IO where another process writes the file, or has left its part of it */
  static async claim(path: string): Promise<AtomicFile> {
    const names = AtomicFile.namesOf(path);
    await requireLock(names.lock);
    const lock = await FileLock.tryAcquire(names.lock);
    if (!lock) throw await claimed(path, names.lock);
    try {
      return new AtomicFile(path, names.partial, await create(names.partial), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Writes all of the bytes at the end, or none of them. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length;) {
        const rest = bytes.subarray(written);
        written += (await this.handle.write(rest, 0, rest.length, this.#size + written)).bytesWritten;
      }
      this.#size += bytes.length;
    } catch (error) {
      await this.handle.truncate(this.#size).catch(() => {});
      throw error;
    }
  }

  /** The file is complete: it gets its name. */
  async commit(): Promise<void> {
    await this.handle.close();
    await rename(this.partial, this.path);
    await this.lock.release();
  }

  /** The work was not finished: what was written stays in `partial`, unless it is nothing. */
  async abandon(): Promise<void> {
    await this.handle.close();
    if (this.#size === 0) await rm(this.partial, { force: true });
    await this.lock.release();
  }
}

async function create(partial: string): Promise<FileHandle> {
  const found = await lstat(partial).catch(() => undefined);
  // Whoever left it had not begun.
  if (found?.isFile() && found.size === 0) await rm(partial);
  try {
    // Follows no link.
    return await open(partial, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new RewardModelScoreError(
      "ERR_IO",
      `${partial} is there already: an interrupted run keeps in it what it had finished. Move it away to keep that, ` +
        `or delete it, and run again.`,
      { path: partial },
      { cause: error },
    );
  }
}

/** A file of somebody else's in the place of the lock is not taken for the lock of a run that died. */
async function requireLock(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found || (found.isFile() && (found.size === 0 || (await readOwner(path))))) return;
  throw new RewardModelScoreError(
    "ERR_IO",
    `${path} is in the way: it would be the lock of a run, and it is something else. Move it away.`,
    { path },
  );
}

async function claimed(path: string, lock: string): Promise<RewardModelScoreError> {
  const owner = await readOwner(lock);
  const run = owner ? `another run (process ${owner.pid})` : "another run";
  return new RewardModelScoreError(
    "ERR_IO",
    `${path} is being written by ${run}. Wait for it, or name another file.`,
    { path },
  );
}
