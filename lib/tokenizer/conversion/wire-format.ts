import { isUtf8 } from "node:buffer";

/** How a field is written: the lowest three bits of its key. */
export const WireType = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

/**
 * Reads a message of Protocol Buffers field by field. Nothing outside of the message is read, whatever lengths it
 * claims, and every read either goes on or throws an Error.
 */
export class MessageReader {
  /** Of the field that `next` found. */
  field = 0;
  type = 0;
  #at: number;

  constructor(
    private readonly bytes: Buffer,
    start = 0,
    private readonly end = bytes.length,
  ) {
    this.#at = start;
  }

  /** Goes to the next field, whose value then has to be read or skipped; false at the end. */
  next(): boolean {
    if (this.#at === this.end) return false;
    const key = this.#unsigned();
    this.field = key >>> 3;
    this.type = key & 7;
    if (this.field === 0) throw this.#damaged("a field has the number 0");
    return true;
  }

  /** An enum, a bool or an int32, whose negative values are written in 64 bits. */
  int32(): number {
    this.#expect(WireType.Varint);
    return this.#varint();
  }

  float(): number {
    this.#expect(WireType.Fixed32);
    return this.bytes.readFloatLE(this.#take(4));
  }

  string(): string {
    const bytes = this.view();
    const text = bytes.toString("utf8");
    // What is no UTF-8 becomes U+FFFD, which a text may also have.
    if (text.includes("\ufffd") && !isUtf8(bytes)) throw this.#damaged("a text is not UTF-8");
    return text;
  }

  /** The bytes where they stand, without a copy. */
  view(): Buffer {
    const [start, end] = this.#span();
    return this.bytes.subarray(start, end);
  }

  message(): MessageReader {
    return new MessageReader(this.bytes, ...this.#span());
  }

  skip(): void {
    if (this.type === WireType.Varint) this.#varint();
    else if (this.type === WireType.Fixed64) this.#take(8);
    else if (this.type === WireType.Fixed32) this.#take(4);
    else this.#span();
  }

  #span(): [start: number, end: number] {
    this.#expect(WireType.Bytes);
    const start = this.#take(this.#unsigned());
    return [start, this.#at];
  }

  #expect(type: number): void {
    if (this.type !== type) throw this.#damaged(`field ${this.field} is of wire type ${this.type}`);
  }

  #take(count: number): number {
    const start = this.#at;
    if (count > this.end - start) throw this.#damaged("it ends in the middle of a field");
    this.#at += count;
    return start;
  }

  /** A key or a length, which have 32 bits at most. */
  #unsigned(): number {
    const start = this.#at;
    const value = this.#varint() >>> 0;
    if (this.#at - start > 5) throw this.#damaged("a length is greater than the file");
    return value;
  }

  /** The lower 32 of up to 64 bits. */
  #varint(): number {
    let result = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.#take(1)]!;
      if (shift < 32) result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    throw this.#damaged("a number has more than 64 bits");
  }

  #damaged(what: string): Error {
    return new Error(`${what}, at byte ${this.#at}`);
  }
}
