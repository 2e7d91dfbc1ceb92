import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { findChatTemplate } from "#lib/tokenizer/find-template.js";
import { RepositoryCache } from "#lib/hub/cache.js";
import { Hasher } from "#lib/download/hasher.js";
import { listCache, verifyCache } from "#lib/hub/inventory.js";
import { PartialFile } from "#lib/download/partial-file.js";
import { FileLock } from "#lib/io/file-lock.js";
import { LONGEST_TEXT, openRegularFile, openRegularFileSync, readText } from "#lib/io/regular-file.js";
import { readVersion } from "#lib/libtorch/version.js";
import { readTokenizerFiles } from "#lib/tokenizer/files.js";
import { temporaryFolder } from "../temporary-folder.js";

// A pipe that nobody writes into: whoever opens it as a file waits for ever, and so does the end of the process.
const hasPipes = process.platform !== "win32";

function pipe(path: string): string {
  execFileSync("mkfifo", [path]);
  return path;
}

let folder: string;
beforeEach(() => {
  folder = temporaryFolder("regular-file");
});

describe("a model's file", () => {
  it("is read, also through links, and may be missing", async () => {
    writeFileSync(join(folder, "file"), "text");
    symlinkSync("file", join(folder, "link"));
    symlinkSync("nowhere", join(folder, "dangling"));
    expect(await readText(join(folder, "link"))).toBe("text");
    for (const none of ["none", "none/below", "file/below", "dangling"]) {
      expect(await readText(join(folder, none)), none).toBeUndefined();
    }
  });

  it.skipIf(!hasPipes)("is no pipe, socket, device or folder, nor a link to one", async () => {
    const server = createServer().listen(join(folder, "socket"));
    onTestFinished(() => void server.close());
    await new Promise((done) => server.once("listening", done));
    mkdirSync(join(folder, "folder"));
    symlinkSync(pipe(join(folder, "pipe")), join(folder, "link"));
    symlinkSync("/dev/zero", join(folder, "device"));
    for (const name of ["pipe", "link", "socket", "device", "folder"]) {
      const path = join(folder, name);
      const refusal = { code: "ERR_IO", details: { path } };
      await expect(readText(path), name).rejects.toMatchObject(refusal);
      if (name === "socket") continue; // the system refuses to open it
      await expect(openRegularFile(path), name).rejects.toMatchObject(refusal);
      expect(() => openRegularFileSync(path), name).toThrow(path);
    }
  });

  it("has a text of a length that fits into memory", async () => {
    const path = join(folder, "config.json");
    writeFileSync(path, "");
    truncateSync(path, 100 * 1024 ** 3);
    await expect(readText(path)).rejects.toMatchObject({ code: "ERR_IO", details: { path } });
    truncateSync(path, LONGEST_TEXT + 1);
    await expect(readText(path)).rejects.toMatchObject({ code: "ERR_IO" });
  });
});

describe.skipIf(!hasPipes)("a pipe in the place of", () => {
  it.each(["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])("%s", async (name) => {
    writeFileSync(join(folder, "tokenizer.json"), '{"model": {"vocab": {}}}');
    if (name === "tokenizer.json") folder = temporaryFolder("regular-file");
    const path = pipe(join(folder, name));
    await expect(readTokenizerFiles(folder)).rejects.toMatchObject({ code: "ERR_IO", details: { path } });
  });

  it.each(["chat_template.jinja", "chat_template.json", "additional_chat_templates/rag.jinja"])(
    "%s",
    async (name) => {
      mkdirSync(join(folder, "additional_chat_templates"));
      const path = pipe(join(folder, name));
      await expect(findChatTemplate(folder, {})).rejects.toMatchObject({ code: "ERR_IO", details: { path } });
    },
  );

  it("the files that say libtorch's version", () => {
    pipe(join(folder, "build-version"));
    pipe(join(folder, "version.py"));
    expect(readVersion(folder)).toBeUndefined();
  });

  it("files of the Hub's cache", async () => {
    const cache = new RepositoryCache(folder, "owner/model");
    const commit = "0123456789".repeat(4);
    for (const path of ["refs", "blobs", "trees", `snapshots/${commit}`]) {
      mkdirSync(join(cache.folder, path), { recursive: true });
    }
    pipe(join(cache.folder, "refs/main"));
    pipe(join(cache.folder, `trees/${commit}.json`));
    const blob = pipe(cache.blob(commit));
    expect(await cache.commitOf("main")).toBeUndefined();
    expect(await cache.treeOf(commit)).toBeUndefined();
    expect((await listCache(folder)).map(({ revisions }) => revisions)).toEqual([
      [{ commit, refs: [], files: 0, size: 0 }],
    ]);
    expect((await verifyCache(folder)).damage).toEqual([
      { model: "owner/model", path: blob, problem: "damaged" },
    ]);
    await using hasher = new Hasher();
    await expect(hasher.hash(blob, 1, commit)).rejects.toThrow(blob);
  });

  it("a download under way, which starts anew", async () => {
    const blob = join(folder, "blob");
    pipe(`${blob}.ranges.incomplete`);
    pipe(`${blob}.ranges.log`);
    await using partial = await PartialFile.open(blob, 10);
    expect(partial.missing()).toEqual([{ start: 0, end: 10 }]);
  });

  it("a lock, whose holder has no name and so is dead when it is silent", async () => {
    const path = pipe(join(folder, "lock"));
    const lock = await FileLock.acquire(path, undefined, { heartbeat: 0, stale: 0, poll: 1 });
    await lock.release();
  });
});
