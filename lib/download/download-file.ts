import { rm } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";
import type { FileHash, Hasher } from "./hasher.js";
import { PartialFile, type Interval } from "./partial-file.js";
import type { ReceiveBuffers } from "./receive-buffers.js";
import { afterRetries, backOff, givesUp, TransientError, type RetryPolicy } from "./retry.js";
import { RangeRefused, type Source } from "./source.js";

export interface DownloadContext {
  policy: RetryPolicy;
  hasher: Hasher;
  buffers: ReceiveBuffers;
  /** Is told of every byte that is there; of fewer than none when bytes turned out wrong. */
  progress: { add: (path: string, bytes: number) => void };
  /** Runs a task when a connection is free. */
  limit: <T>(task: () => Promise<T>) => Promise<T>;
  signal: AbortSignal;
}

/** A file with the hash that whoever publishes it announces: sha256, or a git object id. */
export interface AnnouncedFile {
  path: string;
  size: number;
  oid: string;
}

/** A file is fetched in several ranges at once, not smaller and not larger than this. */
const MIN_RANGE = 8 << 20;
const MAX_RANGE = 64 << 20;
/** Ranges that are fetched at the same time, of all files together. */
export const CONNECTIONS = 8;
/** What is gathered for one write: so many bytes, or what arrives in so many milliseconds. A crash costs no more. */
const WRITE_BYTES = 1 << 20;
const WRITE_INTERVAL = 250;

/**
 * Brings a file to its place: in ranges, from where an earlier attempt stopped, and under its name only when its hash is
 * right. Whoever calls it holds a lock.
 */
export async function downloadFile(
  context: DownloadContext,
  source: Source,
  file: AnnouncedFile,
  target: string,
): Promise<void> {
  await new Download(context, source, file).run(target);
}

class Download {
  constructor(
    private readonly context: DownloadContext,
    private readonly source: Source,
    private readonly file: AnnouncedFile,
  ) {}

  async run(target: string): Promise<void> {
    const { path, size, oid } = this.file;
    const { hasher, progress } = this.context;
    await using partial = await PartialFile.open(target, size);
    progress.add(path, partial.bytes);
    // Bytes of an earlier attempt may be what is wrong, so wrong bytes are fetched a second time before giving up.
    for (let attempt = 1; ; attempt += 1) {
      const hash = hasher.follow(partial.path, size, oid);
      await this.#complete(partial, hash);
      if ((await hash.digest()) === oid) {
        await partial.finish(target);
        return;
      }
      await this.#restart(partial);
      if (attempt === 2) {
        await rm(partial.path, { force: true });
        throw new RewardModelScoreError(
          "ERR_CHECKSUM",
          `${path} arrived twice with other bytes than were announced (hash ${oid}, ${size} bytes). ` +
            `Something on the way changes them; nothing of it was kept.`,
          { path },
        );
      }
    }
  }

  /** Fetches whatever is missing, in ranges, or in one piece where the server knows no ranges. */
  async #complete(partial: PartialFile, hash: FileHash): Promise<void> {
    const length = Math.min(MAX_RANGE, Math.max(MIN_RANGE, Math.ceil(partial.size / CONNECTIONS)));
    const ranges = partial.missing().flatMap((gap) => split(gap, length));
    // One failure ends the other ranges too; they are waited for, since they write to the same file.
    const stop = new AbortController();
    const signal = AbortSignal.any([this.context.signal, stop.signal]);
    const ends = await Promise.allSettled(
      ranges.map((range) =>
        this.context
          .limit(() => this.#fetchRange(partial, hash, range, signal))
          .catch((error: unknown) => {
            stop.abort(error);
            throw error;
          }),
      ),
    );
    if (ends.every((end) => end.status === "fulfilled")) return;
    this.context.signal.throwIfAborted();
    if (!(stop.signal.reason instanceof RangeRefused)) throw stop.signal.reason;
    await this.#restart(partial);
    const whole = { start: 0, end: partial.size };
    await this.context.limit(() => this.#fetchRange(partial, hash, whole, this.context.signal, false));
  }

  /**
   * Fetches a range, going on after failures: from the last byte that arrived, or from the start where the server
   * cannot. A failure after which something arrived does not count.
   */
  async #fetchRange(
    partial: PartialFile,
    hash: FileHash,
    range: Interval,
    signal: AbortSignal,
    resumable = true,
  ): Promise<void> {
    const { policy } = this.context;
    const rest = { ...range };
    for (let failures = 1; ; failures += 1) {
      const before = rest.start;
      try {
        await this.#transfer(partial, hash, rest, signal);
        return;
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        if (resumable && rest.start > before) failures = 1;
        if (givesUp(policy, failures, error)) throw afterRetries(error);
        await backOff(policy, failures, error, signal);
      }
      if (!resumable) {
        await this.#restart(partial);
        rest.start = range.start;
      }
    }
  }

  /** Writes the rest of a range as it arrives, and moves its start with what is on disk. */
  async #transfer(partial: PartialFile, hash: FileHash, rest: Interval, signal: AbortSignal): Promise<void> {
    let chunks: Buffer[] = [];
    let gathered = 0;
    let writtenAt = Date.now();
    const flush = async () => {
      if (gathered === 0) return;
      if (this.source.etag !== undefined) await partial.noteEtag(this.source.etag);
      await partial.write(chunks, rest.start);
      rest.start += gathered;
      this.context.progress.add(this.file.path, gathered);
      hash.advance(partial.frontier);
      for (const chunk of chunks) this.context.buffers.release(chunk);
      chunks = [];
      gathered = 0;
      writtenAt = Date.now();
    };
    try {
      await this.source.read({ ...rest }, partial.etag, signal, (chunk) => {
        chunks.push(chunk);
        gathered += chunk.length;
        if (gathered >= WRITE_BYTES || Date.now() - writtenAt > WRITE_INTERVAL) return flush();
        return undefined;
      });
    } finally {
      await flush(); // also what came before a failure: it need not come again
    }
  }

  async #restart(partial: PartialFile): Promise<void> {
    this.context.progress.add(this.file.path, -partial.bytes);
    await partial.restart();
  }
}

function split({ start, end }: Interval, length: number): Interval[] {
  const ranges: Interval[] = [];
  for (let at = start; at < end; at += length) ranges.push({ start: at, end: Math.min(at + length, end) });
  return ranges;
}
