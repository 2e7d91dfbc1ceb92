import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";

/** Why bytes are no sound gzip file. */
export class GzipError extends Error {
  override readonly name = "GzipError";
}

const MAGIC = 0x8b1f;
const DEFLATE = 8;
/** More than the name, comment and extra field of any file take; they have no limit of their own. */
const LONGEST_HEADER = 256 * 1024;
const FLAG = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 };

/**
 * Decompresses a gzip file: all of its members (RFC 1952), with zeros allowed behind each as Python and gzip allow
 * them. Node's own stream drops what follows the zeros, in silence.
 *
 * @throws GzipError where the file is cut, damaged, empty, or goes on with something else
 */
export async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = new ByteReader(chunks);
  if (await source.isAtEnd()) throw new GzipError("it is empty, where a gzip file has a header");
  for (let members = 0; !(await source.isAtEnd()); members++) {
    await readHeader(source, members);
    let crc = 0;
    let size = 0;
    for await (const chunk of inflate(source)) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      yield chunk;
    }
    const trailer = await source.take(8);
    if (trailer.readUInt32LE(0) !== crc || trailer.readUInt32LE(4) !== size % 2 ** 32)
      throw new GzipError("its gzip data is damaged: the checksum is another one");
    await source.skipZeros();
  }
}

async function readHeader(source: ByteReader, membersBefore: number): Promise<void> {
  const header: Buffer[] = [];
  let size = 0;
  const take = async (length: number) => {
    size += length;
    if (size > LONGEST_HEADER) throw new GzipError("its gzip header is damaged: it does not end");
    const bytes = await source.take(length);
    header.push(bytes);
    return bytes;
  };
  const skipText = async () => {
    while ((await take(1))[0] !== 0);
  };
  if ((await take(2)).readUInt16LE() !== MAGIC) {
    throw new GzipError(
      membersBefore === 0 ? "it is not a gzip file" : "something that is not gzip follows its gzip data",
    );
  }
  const [method, flags] = await take(8);
  if (method !== DEFLATE || flags! & FLAG.reserved)
    throw new GzipError("its gzip header is damaged, or of a kind that gzip does not know");
  if (flags! & FLAG.extra) await take((await take(2)).readUInt16LE());
  if (flags! & FLAG.name) await skipText();
  if (flags! & FLAG.comment) await skipText();
  if (flags! & FLAG.headerCrc) {
    const expected = crc32(Buffer.concat(header)) & 0xffff;
    if ((await take(2)).readUInt16LE() !== expected) throw new GzipError("its gzip header is damaged");
  }
}

/** One deflate stream; what follows it stays in `source`. */
async function* inflate(source: ByteReader): AsyncGenerator<Buffer> {
  const stream = createInflateRaw();
  const feeding = feed(stream, source);
  // It is awaited when the stream has ended; until then a failure is not unhandled.
  feeding.catch(() => {});
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "Z_BUF_ERROR") throw cut();
    if (code?.startsWith("Z_")) throw new GzipError("its gzip data is damaged", { cause: error });
    throw error;
  } finally {
    stream.destroy();
  }
  await feeding;
}

async function feed(stream: InflateRaw, source: ByteReader): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once("end", resolve).once("close", resolve));
  let sent = 0;
  try {
    for (;;) {
      const chunk = await source.next();
      if (stream.destroyed) return;
      if (chunk === undefined) {
        stream.end();
        return;
      }
      sent += chunk.length;
      await Promise.race([new Promise((resolve) => stream.write(chunk, resolve)), closed]);
      const unused = sent - stream.bytesWritten;
      if (unused === 0) continue;
      // It takes all that it is given, until it has all that it needs.
      source.putBack(chunk.subarray(chunk.length - unused));
      return;
    }
  } catch (error) {
    stream.destroy(error as Error);
  }
}

function cut(): GzipError {
  return new GzipError("its gzip data is cut off");
}

/** Bytes by the number, out of chunks of any sizes. */
class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#buffer.length === 0) {
      const item: IteratorResult<Buffer, unknown> = await this.#chunks.next();
      if (item.done) return true;
      this.#buffer = item.value;
    }
    return false;
  }

  /** Whatever comes next; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    if (await this.isAtEnd()) return undefined;
    const chunk = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    return chunk;
  }

  putBack(bytes: Buffer): void {
    this.#buffer = bytes;
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = length; missing > 0;) {
      if (await this.isAtEnd()) throw cut();
      const part = this.#buffer.subarray(0, missing);
      this.#buffer = this.#buffer.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async skipZeros(): Promise<void> {
    while (!(await this.isAtEnd())) {
      const end = this.#buffer.findIndex((byte) => byte !== 0);
      this.#buffer = end === -1 ? Buffer.alloc(0) : this.#buffer.subarray(end);
      if (end !== -1) return;
    }
  }
}
