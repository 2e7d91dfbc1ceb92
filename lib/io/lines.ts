import { formatBytes } from "./format.js";

/** A line of a text file. */
export type Line = {
  /** Counts from 1, blank lines included. */
  number: number;
  /** Bytes from the start of the file to the end of the line. */
  end: number;
} & ({ /** Without its end of line. */ text: string } | { /** Why it has no text. */ problem: string });

/**
 * Most bytes of a line. V8 holds strings of 2^29 − 24 characters, and what scoring adds must find room too.
 */
const LONGEST_LINE = 500_000_000;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Splits bytes into lines at "\n" or "\r\n", leaves out blank lines, and drops a byte order mark.
 *
 * Lines are split before they are decoded, so that one with broken bytes harms no other, and U+2028 ends none. One that
 * is too long is not kept in memory.
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  longest = LONGEST_LINE,
): AsyncGenerator<Line> {
  let number = 0;
  let position = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer) => {
    length += part.length;
    if (length > longest) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const finish = (): Line | undefined => {
    const line: Line | undefined =
      length > longest
        ? {
            number,
            end: position,
            problem: `it has ${formatBytes(length)}, and ${formatBytes(longest)} is the most that a line may have`,
          }
        : decode(parts, number, position);
    parts = [];
    length = 0;
    return line;
  };
  for await (let chunk of chunks) {
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE)) {
      add(chunk.subarray(0, end));
      position += end + 1;
      number++;
      const line = finish();
      if (line) yield line;
      chunk = chunk.subarray(end + 1);
    }
    position += chunk.length;
    add(chunk);
  }
  number++;
  const last = finish();
  if (last) yield last;
}

function decode(parts: Buffer[], number: number, end: number): Line | undefined {
  let bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  if (number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
  let text: string;
  try {
    // A decoder that fails keeps its state: each line gets a fresh one.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { number, end, problem: "it is not valid UTF-8" };
  }
  if (text.endsWith("\r")) text = text.slice(0, -1);
  return /\S/.test(text) ? { number, end, text } : undefined;
}
