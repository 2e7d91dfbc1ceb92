import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
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
  try {
    for await (const chunk of file) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } finally {
    file.close();
  }
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

  it("reports a compressed file that is not whole", async () => {
    const path = join(directory, "broken.gz");
    const whole = gzipSync("text".repeat(100));
    const damaged = Buffer.from(whole);
    damaged[whole.length - 6]! ^= 1;
    const broken: [Buffer, RegExp][] = [
      [whole.subarray(0, -10), /is cut off/],
      [damaged, /is damaged/],
      [Buffer.alloc(0), /is empty/],
      [Buffer.from('{"instruction":"a","response":"b"}'), /is not a gzip file/],
      [Buffer.concat([whole, Buffer.from("garbage")]), /something that is not gzip follows/],
    ];
    for (const [bytes, message] of broken) {
      writeFileSync(path, bytes);
      await expect(read(path)).rejects.toMatchObject({
        code: "ERR_IO",
        details: { path },
        message: expect.stringMatching(message) as string,
      });
    }
  });

  it("is opened without harm when nobody reads it", async () => {
    const path = join(directory, "broken.gz");
    writeFileSync(path, "no gzip");
    (await InputFile.open(path)).close(new Error("not needed"));
  });

  it("shows its beginning and is read whole all the same", async () => {
    const path = join(directory, "rows.jsonl");
    for (const text of ["", "\n\n", "a\nb\n", "x".repeat(200_000), `${"\n".repeat(100_000)}a\nb`]) {
      for (const name of [path, `${path}.gz`]) {
        writeFileSync(name, name === path ? text : gzipSync(text));
        const file = await InputFile.open(name);
        const [head, again] = [await file.head(), await file.head()];
        expect(again).toBe(head);
        expect(text.startsWith(head.toString())).toBe(true);
        let whole = "";
        for await (const chunk of file) whole += chunk.toString();
        expect(whole).toBe(text);
      }
    }
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
    expect(gunzipSync(readFileSync(file.partial!)).toString()).toBe("one\n");
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
    for (const name of ["", `${directory}/new/`]) {
      await expect(OutputFile.open(name)).rejects.toMatchObject({ code: "ERR_IO" });
    }
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

  it.skipIf(!existsSync("/dev/full"))("reports a full disk", async () => {
    const file = await OutputFile.open("/dev/full");
    const writeAll = async () => {
      for (let i = 0; i < 100; i++) await file.write("x".repeat(10_000));
      await file.commit();
    };
    await expect(writeAll()).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    expect(file.lines).toBe(0);
    await file.abandon();
  });

  it("belongs to one at a time, whatever the file is called", async () => {
    const path = join(directory, "scored.jsonl");
    mkdirSync(join(directory, "data"));
    symlinkSync(directory, join(directory, "data/here"));
    symlinkSync(path, join(directory, "link.jsonl"));
    const file = await OutputFile.open(path);
    await file.write("one");
    for (const name of [path, relative(".", path), "data/here/scored.jsonl", "link.jsonl"]) {
      const other = name.startsWith("data") || name === "link.jsonl" ? join(directory, name) : name;
      await expect(OutputFile.open(other)).rejects.toMatchObject({
        code: "ERR_IO",
        message: expect.stringContaining(`another run (process ${process.pid})`) as string,
      });
    }
    await file.write("two");
    await file.commit();
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
    expect(readdirSync(directory).sort()).toEqual(["data", "link.jsonl", "scored.jsonl"]);
    // It is free again.
    await (await OutputFile.open(path)).commit();
  });

  it("does not overwrite what an interrupted run left, nor what is behind a link in its place", async () => {
    const path = join(directory, "scored.jsonl");
    const leave: Record<string, () => void> = {
      file: () => writeFileSync(`${path}.partial`, "finished\n"),
      link: () => symlinkSync(join(directory, "elsewhere"), `${path}.partial`),
      folder: () => mkdirSync(`${path}.partial`),
    };
    for (const [kind, make] of Object.entries(leave)) {
      make();
      await expect(OutputFile.open(path), kind).rejects.toMatchObject({
        code: "ERR_IO",
        message: expect.stringMatching(/\.partial is there already.*Move it away/) as string,
      });
      if (kind === "file") expect(readFileSync(`${path}.partial`, "utf8")).toBe("finished\n");
      expect(readdirSync(directory)).toEqual(["scored.jsonl.partial"]);
      execFileSync("rm", ["-r", `${path}.partial`]);
    }
  });

  it("is free when the process that claimed it was killed before it wrote", async () => {
    const path = join(directory, "scored.jsonl");
    const script = `
      const { OutputFile } = await import(${JSON.stringify(pathToFileURL("dist/io/output-file.js").href)});
      globalThis.file = await OutputFile.open(${JSON.stringify(path)});
      console.log("claimed");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await expect(OutputFile.open(path)).rejects.toMatchObject({ code: "ERR_IO" });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(readdirSync(directory)).toHaveLength(2);
    const file = await OutputFile.open(path);
    await file.write("one");
    await file.commit();
    expect(readdirSync(directory)).toEqual(["scored.jsonl"]);
  });

  it("is not claimed by a file that is no lock", async () => {
    const path = join(directory, "scored.jsonl");
    writeFileSync(`${path}.partial.lock`, "my own notes");
    await expect(OutputFile.open(path)).rejects.toMatchObject({
      code: "ERR_IO",
      message: expect.stringContaining(".lock is in the way") as string,
    });
    expect(readFileSync(`${path}.partial.lock`, "utf8")).toBe("my own notes");
  });

  it("is never the file that is read, under any name", async () => {
    const rows = join(directory, "rows.jsonl");
    const output = join(directory, "scored.jsonl");
    symlinkSync(rows, join(directory, "link.jsonl"));
    writeFileSync(rows, "rows");
    linkSync(rows, join(directory, "hard.jsonl"));
    const input = await InputFile.open(rows);
    const { stats } = input;
    for (const name of ["rows.jsonl", "./rows.jsonl", "link.jsonl", "hard.jsonl"]) {
      await expect(OutputFile.open(`${directory}/${name}`, stats), name).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
        details: { option: "output" },
      });
    }
    for (const name of [`${output}.partial`, `${output}.partial.lock`]) {
      linkSync(rows, name);
      await expect(OutputFile.open(output, stats), name).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
      });
      execFileSync("rm", [name]);
    }
    input.close();
    expect(readFileSync(rows, "utf8")).toBe("rows");
  });

  it("goes where a link leads, also where nothing is yet", async () => {
    mkdirSync(join(directory, "data"));
    symlinkSync("data/new.jsonl", join(directory, "link.jsonl"));
    const file = await OutputFile.open(join(directory, "link.jsonl"));
    expect(file.partial).toMatch(/data\/new\.jsonl\.partial$/);
    await file.write("one");
    await file.commit();
    expect(readFileSync(join(directory, "data/new.jsonl"), "utf8")).toBe("one\n");
    symlinkSync("loop", join(directory, "loop"));
    await expect(OutputFile.open(join(directory, "loop"))).rejects.toMatchObject({ code: "ERR_IO" });
  });

  it("is made of gzip members of whole lines", async () => {
    const path = join(directory, "scored.jsonl.gz");
    const file = await OutputFile.open(path);
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${"abc".repeat(i % 40)}`);
    for (const line of lines) await file.write(line);
    const written = file.lines;
    expect(written).toBeGreaterThan(0);
    const kept = gunzipSync(readFileSync(file.partial!)).toString();
    expect(kept).toBe(
      lines
        .slice(0, written)
        .map((line) => `${line}\n`)
        .join(""),
    );
    await file.commit();
    expect(gunzipSync(readFileSync(path)).toString()).toBe(lines.map((line) => `${line}\n`).join(""));
    expect(file.lines).toBe(20_000);
  });
});
