/** A line of a text file. */
export interface Line {
  /** Counts from 1, blank lines included. */
  number: number;
  /** Without its end of line; undefined if its bytes are not UTF-8. */
  text: string | undefined;
  /** Bytes from the start of the file to the end of the line. */
  end: number;
}

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Splits bytes into lines at "\n" or "\r\n", leaves out blank lines, and drops a byte order mark.
 *
 * Lines are split before they are decoded, so that one with broken bytes harms no other, and U+2028 ends none.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 0;
  let position = 0;
  let parts: Buffer[] = [];
  for await (let chunk of chunks) {
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE)) {
      parts.push(chunk.subarray(0, end));
      position += end + 1;
      const line = decode(parts, ++number, position);
      if (line) yield line;
      parts = [];
      chunk = chunk.subarray(end + 1);
    }
    position += chunk.length;
    if (chunk.length > 0) parts.push(chunk);
  }
  const last = decode(parts, number + 1, position);
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
    return { number, text: undefined, end };
  }
  if (text.endsWith("\r")) text = text.slice(0, -1);
  return /\S/.test(text) ? { number, text, end } : undefined;
}
