import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readLines, type Line } from "#lib/io/lines.js";

async function lines(...chunks: (string | Buffer)[]): Promise<Line[]> {
  async function* source() {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk as string));
  }
  const result: Line[] = [];
  for await (const line of readLines(source())) result.push(line);
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
    expect((await lines(texts.join("\n"))).map(({ text }) => text)).toEqual(texts);
  });

  it("reports a line that is not UTF-8 and reads on", async () => {
    const broken = Buffer.from([0x22, 0xff, 0xc3, 0x0a]);
    expect(await lines("a\n", broken, "ü\n")).toEqual([
      { number: 1, text: "a", end: 2 },
      { number: 2, text: undefined, end: 6 },
      { number: 3, text: "ü", end: 9 },
    ]);
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
