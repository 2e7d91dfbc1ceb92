import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recognizeKind } from "#lib/io/file-kind.js";

const ROW = '{"instruction":"a","response":"b"}';
const PRETTY = JSON.stringify({ conversation: [{ role: "user", content: "a" }] }, null, 2);
const utf16be = Buffer.from(ROW, "utf16le").swap16();

const name = (content: string | Buffer) => recognizeKind(Buffer.from(content as string))?.name;

describe("a file of another kind", () => {
  it.each<[string, string | Buffer]>([
    ["a JSON array", `[${ROW},${ROW}]`],
    ["a JSON array", `[\n  ${ROW},\n  ${ROW}\n]\n`],
    ["a JSON array", `[\n${ROW}\n]\n`],
    ["a JSON array", `[${ROW},\n${ROW}]\n`],
    ["a JSON array", `\n [{\n"instruction": "a"\n}]`],
    ["a JSON array", `[${ROW},`.repeat(2000)],
    ["JSON with several lines an object", PRETTY],
    ["JSON with several lines an object", `${PRETTY}\n${PRETTY}\n`],
    ["JSON with several lines an object", `{ "conversation": [\n{"role":"user","content":"a"}\n]\n}`],
    ["a CSV table", "instruction,response\nHow much is 2+2?,4\n"],
    ["a CSV table", '\uFEFF"instruction","the response"\r\n"a","b"\r\n'],
    ["a CSV table with semicolons", "instruction;response\na;b\n"],
    ["a TSV table", "instruction\tresponse\na\tb\n"],
    ["UTF-16 text", Buffer.from(`\uFEFF${ROW}`, "utf16le")],
    ["UTF-16 text", Buffer.from(ROW, "utf16le")],
    ["UTF-16 text", Buffer.concat([Buffer.from([0xfe, 0xff]), utf16be])],
    ["UTF-16 text", utf16be],
    ["UTF-32 text", Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0])],
    ["UTF-32 text", Buffer.from([0, 0, 0xfe, 0xff, 0, 0, 0, 0x7b])],
    ["a Parquet file", "PAR1\x15\x04\x15\x10"],
    ["an Arrow file", "ARROW1\0\0"],
    ["an Arrow stream, as the datasets library saves it", Buffer.from("ffffffff78000000", "hex")],
    ["a gzip file", gzipSync(ROW)],
    ["a zstd file", Buffer.from("28b52ffd240500", "hex")],
    ["an xz file", Buffer.from("fd377a585a000004", "hex")],
    ["a bzip2 file", "BZh91AY&SY"],
    ["a zip archive", "PK\x03\x04\x14\0\0\0\x08\0rows.jsonl"],
    ["an Excel workbook", "PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml"],
    ["an SQLite database", "SQLite format 3\0"],
    ["HTML or XML", "<!DOCTYPE html>\n<html>"],
    [
      "a Git LFS pointer, which stands for a file that was not fetched",
      "version https://git-lfs.github.com/spec/v1\n",
    ],
    ["a binary file", Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0, 1])],
  ])("is %s", (kind, content) => {
    expect(name(content)).toBe(kind);
    expect(recognizeKind(Buffer.from(content as string))!.remedy("FILE")).not.toBe("");
  });

  it.each([
    "",
    "\n\n",
    ROW,
    `\uFEFF${ROW}\r\n`,
    `\n${ROW}`,
    `{"a":NaN}\nfoo,bar\n`,
    // Broken lines of a JSON Lines file harm no other, whatever they look like.
    `{broken\n${ROW}\n`,
    `{"instruction":"a",\n${ROW}\n${ROW}\n`,
    `[1]\n${ROW}\n`,
    `[1]\n[2]\n`,
    `a,b\n${ROW}\n`,
    `"a, b"\nnull\n1\n`,
    "{broken",
    "plain text\n",
    // The head ends inside of the first line.
    `{"instruction":"${"a,".repeat(40_000)}`,
    `{"conversation":[`,
  ])("is not what may be JSON Lines: %j", (content) => {
    expect(name(content)).toBeUndefined();
  });

  it("is no file that begins with a row", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string({ unit: "binary" }), (row, rest) => {
        expect(name(`${JSON.stringify(row)}\n${rest}`)).toBeUndefined();
      }),
    );
  });

  it("is an array however it is printed", () => {
    const rows = fc.array(fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1 }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(rows, fc.constantFrom(undefined, 1, 2, "\t"), (rows, indent) => {
        expect(name(JSON.stringify(rows, null, indent))).toBe("a JSON array");
        // As jq -c prints them, with brackets around.
        expect(name(`[${rows.map((row) => JSON.stringify(row)).join(",\n")},\n${ROW}]`)).toBe("a JSON array");
      }),
    );
  });
});
