import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readLines, type Line } from "#lib/io/lines.js";

async function lines(...chunks: (string | Buffer)[]): Promise<Line[]> {
  return await linesOf(chunks);
}

async function linesOf(chunks: (string | Buffer)[], longest?: number): Promise<Line[]> {
  async function* source() {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk as string));
  }
  const result: Line[] = [];
  for await (const line of readLines(source(), longest)) result.push(line);
  return result;
}

describe("readLines", () => {
  it("numbers lines from 1 and counts the blank ones it leaves out", async () => {
    expect(await lines("a\n\n  \nb\n")).toEqual([
      { number: 1, text: "a", end: 2 },
      { number: 4, text: "b", end: 8 },
    ]);
  });

  it("takes a last line without an end, CRLF and a byte order mark", async () => {
    expect(await lines("\uFEFFa\r\nb")).toEqual([
      { number: 1, text: "a", end: 6 },
      { number: 2, text: "b", end: 7 },
    ]);
  });

  it("keeps U+2028, a carriage return inside and a later byte order mark", async () => {
    const texts = ["a\u2028b", "c\rd", "\uFEFFe"];
    expect((await lines(texts.join("\n"))).map((line) => "text" in line && line.text)).toEqual(texts);
  });

  it("reports a line that is not UTF-8 and reads on", async () => {
    const broken = Buffer.from([0x22, 0xff, 0xc3, 0x0a]);
    expect(await lines("a\n", broken, "ü\n")).toEqual([
      { number: 1, text: "a", end: 2 },
      { number: 2, problem: "it is not valid UTF-8", end: 6 },
      { number: 3, text: "ü", end: 9 },
    ]);
  });

  it("tells a line that is too long as what it is, wherever its bytes are cut, and reads on", async () => {
    const text = "1234567890\n12345678901\n1\n12345678901";
    for (const size of [1, 3, 10, 11, 12, 100]) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      const problem = "it has 11 B, and 10 B is the most that a line may have";
      expect(await linesOf(chunks, 10)).toEqual([
        { number: 1, text: "1234567890", end: 11 },
        { number: 2, problem, end: 23 },
        { number: 3, text: "1", end: 25 },
        { number: 4, problem, end: 36 },
      ]);
    }
  });

  it("gives the same lines however the bytes are cut", async () => {
    const text = fc.array(fc.string({ unit: "binary" }), { maxLength: 8 }).map((parts) => parts.join("\n"));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(40), { maxLength: 8 }), async (text, cuts) => {
        const bytes = Buffer.from(text);
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
        expect(await lines(...chunks)).toEqual(await lines(bytes));
      }),
    );
  });
});
