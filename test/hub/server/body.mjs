import { setTimeout as sleep } from "node:timers/promises";

/**
 * Answers a request for (a range of) a content, with the fault's misbehaviour.
 *
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 * @param {import("./content.mjs").Content} content
 * @param {{ etag: string, headers?: Record<string, string>, fault?: import("./faults.mjs").Fault | undefined,
 *   sent?: (bytes: number) => void }} options
 */
export async function sendContent(
  request,
  response,
  content,
  { etag, headers = {}, fault, sent = () => {} },
) {
  const range = fault?.ignoreRange ? undefined : wantedRange(request, content.size, etag);
  if (range === "unsatisfiable") {
    response.writeHead(416, { "Content-Range": `bytes */${content.size}` }).end();
    return;
  }
  const start = range?.start ?? 0;
  const end = range?.end ?? content.size;
  response.writeHead(range ? 206 : 200, {
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
    ETag: `"${etag}"`,
    ...(fault?.truncateTo === undefined ? { "Content-Length": String(end - start) } : {}),
    ...(range ? { "Content-Range": `bytes ${start}-${end - 1}/${content.size}` } : {}),
    ...headers,
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const limit = fault?.stallAfter ?? fault?.resetAfter ?? fault?.truncateTo ?? Infinity;
  let left = Math.min(end - start, limit);
  for (const slice of content.slices(start, start + left)) {
    for (const part of fault?.drip ? parts(slice, fault.drip.bytes) : [slice]) {
      if (response.destroyed) return;
      response.write(fault?.wrongBytes ? damaged(part) : part);
      left -= part.length;
      sent(part.length);
      if (fault?.drip && left > 0) await sleep(fault.drip.everyMs);
      if (response.writableNeedDrain && !response.destroyed) await writable(response);
    }
  }
  if (fault?.stallAfter !== undefined) return;
  if (fault?.resetAfter !== undefined) {
    await new Promise((sent) => request.socket.write("", sent)); // what was written leaves first
    request.socket.resetAndDestroy();
    return;
  }
  response.end();
}

/** @param {import("node:http").ServerResponse} response */
function writable(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve(undefined);
    };
    response.on("drain", done).on("close", done);
  });
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {number} size
 * @param {string} etag
 */
function wantedRange(request, size, etag) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const condition = request.headers["if-range"];
  if (!match || (condition !== undefined && condition !== `"${etag}"`)) return undefined;
  const start = Number(match[1]);
  const end = Math.min(match[2] ? Number(match[2]) + 1 : size, size);
  return start >= size || end <= start ? /** @type {const} */ ("unsatisfiable") : { start, end };
}

/** @param {Buffer} slice @param {number} size */
function* parts(slice, size) {
  for (let at = 0; at < slice.length; at += size) yield slice.subarray(at, at + size);
}

/** @param {Buffer} part */
function damaged(part) {
  const copy = Buffer.from(part);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
