import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { InputFile } from "#lib/io/input-file.js";
import { readLines } from "#lib/io/lines.js";
import { OutputFile } from "#lib/io/output-file.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;

beforeEach(() => {
  directory = temporaryFolder("files");
});

async function read(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  const file = await InputFile.open(path);
  for await (const chunk of file) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("InputFile", () => {
  it("reads a file, compressed or not, and knows how far it is", async () => {
    const path = join(directory, "rows.jsonl");
    writeFileSync(path, "text");
    writeFileSync(`${path}.gz`, gzipSync("text"));
    for (const name of [path, `${path}.gz`]) {
      const file = await InputFile.open(name);
      let text = "";
      for await (const chunk of file) text += chunk.toString();
      expect([text, file.fraction(4)]).toEqual(["text", 1]);
    }
  });

  it("measures by the place in the text, however much was read ahead", async () => {
    const path = join(directory, "rows.jsonl");
    writeFileSync(path, "1234\n12\n");
    const file = await InputFile.open(path);
    const fractions: unknown[] = [];
    for await (const { end } of readLines(file)) fractions.push(file.fraction(end));
    expect(fractions).toEqual([5 / 8, 1]);
  });

  it("tells what is wrong when it is opened", async () => {
    await expect(InputFile.open(join(directory, "none"))).rejects.toMatchObject({ code: "ERR_NOT_FOUND" });
    await expect(InputFile.open(directory)).rejects.toMatchObject({ code: "ERR_IO" });
  });

  it("reports a compressed file that was cut", async () => {
    const path = join(directory, "cut.gz");
    writeFileSync(path, gzipSync("text".repeat(100)).subarray(0, -10));
    await expect(read(path)).rejects.toMatchObject({ code: "ERR_IO", details: { path } });
  });
});

describe("OutputFile", () => {
  it("appears under its name when it is complete", async () => {
    const path = join(directory, "scored.jsonl");
    writeFileSync(path, "old");
    const file = await OutputFile.open(path);
    await file.write("one");
    expect(readFileSync(path, "utf8")).toBe("old");
    await file.commit();
    expect(readFileSync(path, "utf8")).toBe("one\n");
    expect(readdirSync(directory)).toEqual(["scored.jsonl"]);
  });

  it("keeps the lines of work that was not finished beside the file", async () => {
    const path = join(directory, "scored.jsonl.gz");
    const file = await OutputFile.open(path);
    await file.write("one");
    await file.abandon();
    expect(readdirSync(directory)).toEqual(["scored.jsonl.gz.partial"]);
    expect(gunzipSync(readFileSync(file.partial)).toString()).toBe("one\n");
  });

  it("leaves nothing when nothing was written", async () => {
    const file = await OutputFile.open(join(directory, "scored.jsonl"));
    await file.abandon();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("writes more than fits in a buffer", async () => {
    const line = "x".repeat(1000);
    for (const name of ["big.jsonl", "big.jsonl.gz"]) {
      const file = await OutputFile.open(join(directory, name));
      for (let i = 0; i < 500; i++) await file.write(line);
      await file.commit();
      expect(await read(join(directory, name))).toBe(`${line}\n`.repeat(500));
    }
  });

  it("refuses what cannot be written before any work", async () => {
    await expect(OutputFile.open(directory)).rejects.toMatchObject({ code: "ERR_IO" });
    await expect(OutputFile.open(join(directory, "none/scored.jsonl"))).rejects.toMatchObject({
      code: "ERR_IO",
      message: expect.stringContaining("none/scored.jsonl") as string,
    });
  });

  it("replaces what a link points to, not the link, and never a device", async () => {
    mkdirSync(join(directory, "data"));
    const target = join(directory, "data/target.jsonl");
    writeFileSync(target, "old");
    const link = join(directory, "link.jsonl");
    symlinkSync(target, link);
    const file = await OutputFile.open(link);
    await file.write("new");
    await file.commit();
    expect(readFileSync(target, "utf8")).toBe("new\n");

    const device = await OutputFile.open("/dev/null");
    await device.write("gone");
    await device.commit();
    expect(existsSync("/dev/null.partial")).toBe(false);
  });

  it("reports a full disk", async () => {
    if (!existsSync("/dev/full")) return;
    const file = await OutputFile.open("/dev/full");
    const writeAll = async () => {
      for (let i = 0; i < 100; i++) await file.write("x".repeat(10_000));
      await file.commit();
    };
    await expect(writeAll()).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
  });
});
