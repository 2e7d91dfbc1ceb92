import type { Readable } from "node:stream";
import { networkFailure, type Connection, type HttpResponse } from "./connection.js";
import type { Interval } from "./partial-file.js";
import { publicUrl } from "./public-url.js";
import { TransientError } from "./retry.js";

/** The server does not go on from the middle of this file: it has to be fetched from the start in one piece. */
export class RangeRefused extends Error {}

export interface SourceOptions {
  connection: Connection;
  url: string;
  size: number;
  idleTimeout: number;
  /** What an answer means that brings no bytes; it may pass where the error is a TransientError. */
  failure: (response: HttpResponse) => Promise<Error>;
}

/** Bytes a second below which a connection counts as stalled. */
const MIN_SPEED = 1024;

/**
 * Where the bytes of one file come from. The Hub redirects large files to a signed address on another host; such an
 * address is kept for the ranges that follow, until that host refuses it.
 */
export class Source {
  #location: string | undefined;

  constructor(private readonly options: SourceOptions) {}

  /**
   * Sends one request and hands the bytes of the range to `take` as they come; while that is busy, no more are read.
   * Throws TransientError for what may pass.
   */
  async read(
    range: Interval,
    etag: string | undefined,
    signal: AbortSignal,
    take: (piece: Buffer) => Promise<void> | undefined,
  ): Promise<void> {
    const response = await this.#open(range, etag, signal);
    const { body, url } = response;
    const requireSpeed = speedometer(3 * this.options.idleTimeout, url);
    let left = range.end - range.start;
    try {
      await drain(body, (piece) => {
        const wanted = piece.length > left ? piece.subarray(0, left) : piece;
        if (wanted !== piece) body.destroy(); // otherwise to the end, so that the connection can be used again
        left -= wanted.length;
        requireSpeed(wanted.length);
        return take(wanted);
      });
    } catch (error) {
      if (left === 0 && !signal.aborted) return;
      throw error instanceof TransientError ? error : networkFailure(error, url, signal);
    } finally {
      body.on("error", () => {}); // destroying a body that is under way reports its own end
      body.destroy();
    }
    if (left > 0) throw networkFailure(new Error("the answer ended early"), url, signal);
  }

  /** The ETag of the last answer, if it can be used for If-Range. */
  etag: string | undefined;

  async #open(range: Interval, etag: string | undefined, signal: AbortSignal): Promise<HttpResponse> {
    const { connection, size, idleTimeout, failure } = this.options;
    const whole = range.start === 0 && range.end === size;
    const kept = this.#location;
    const response = await connection.send(kept ?? this.options.url, {
      headers: {
        ...(!whole && { range: `bytes=${range.start}-${range.end - 1}` }),
        ...(!whole && etag !== undefined && { "if-range": etag }),
      },
      signal,
      idleTimeout,
    });
    const { status, headers } = response;
    if (whole ? status === 200 : status === 206 && headers["content-range"] === contentRange(range, size)) {
      if (!connection.isHome(response.url)) this.#location = response.url;
      this.etag = /^"[^"]*"$/.test(headers.etag ?? "") ? headers.etag : undefined;
      return response;
    }
    if (status === 200 || status === 206 || status === 416) {
      response.body.on("error", () => {});
      response.body.destroy();
      const what = `status ${status} for bytes ${range.start}-${range.end - 1} of ${size}`;
      throw whole ? new TransientError(what, publicUrl(response.url)) : new RangeRefused(what);
    }
    this.#location = undefined;
    const error = await failure(response);
    // The address had just been forgotten: the server is asked for another one at once.
    if (kept !== undefined && error instanceof TransientError && (status === 401 || status === 403)) {
      return await this.#open(range, etag, signal);
    }
    throw error;
  }
}

/** Reads a body to its end. What `take` has begun is over when this returns or throws. */
async function drain(body: Readable, take: (piece: Buffer) => Promise<void> | undefined): Promise<void> {
  let taking: Promise<void> | undefined;
  const fail = (error: unknown) => body.destroy(error as Error);
  try {
    await new Promise<void>((resolve, reject) => {
      body.on("end", resolve).on("close", resolve).on("error", reject);
      body.on("data", (piece: Buffer) => {
        try {
          taking = take(piece);
        } catch (error) {
          fail(error);
        }
        if (!taking) return;
        body.pause();
        taking.then(() => body.resume(), fail);
      });
    });
  } finally {
    await taking;
  }
}

/** Counts bytes, and throws when a window of time had too few. */
function speedometer(window: number, url: string): (bytes: number) => void {
  let [start, sum] = [Date.now(), 0];
  return (bytes) => {
    sum += bytes;
    const elapsed = Date.now() - start;
    if (elapsed <= window) return;
    if (sum / (elapsed / 1000) < MIN_SPEED) {
      throw new TransientError(`slower than ${MIN_SPEED} bytes a second`, url);
    }
    [start, sum] = [Date.now(), 0];
  };
}

function contentRange({ start, end }: Interval, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}
