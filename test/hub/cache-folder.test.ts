import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { listCache, removeFromCache, verifyCache } from "#lib/hub/inventory.js";
import { failure, filesBelow, MODEL, NEEDED, requireSoundCache, setUp } from "./support.js";

const unix = process.platform !== "win32";
const isRoot = process.getuid?.() === 0;

async function put(path: string, text = "in the way"): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** What somebody may have put in the way of a cache below `home`, which is named as its folder. */
const inTheWay: [string, boolean, (home: string) => Promise<string>][] = [
  [
    "a folder below a file",
    true,
    async (home) => (await put(join(home, "file")), join(home, "file", "cache")),
  ],
  ["a file", true, async (home) => (await put(join(home, "file")), join(home, "file"))],
  [
    "a link that leads to itself",
    unix,
    async (home) => {
      await mkdir(home, { recursive: true });
      await symlink("loop", join(home, "loop"));
      return join(home, "loop", "cache");
    },
  ],
  ["a folder that is not writable", unix && !isRoot, async (home) => readOnly(join(home, "closed"))],
  ["a folder of the system's", process.platform === "linux", () => Promise.resolve("/proc/1/none")],
  ["a device", unix, () => Promise.resolve("/dev/null")],
];

async function readOnly(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o500);
  return path;
}

describe("a cache that cannot be one", () => {
  it.for(inTheWay)("is an error with the path and what helps: %s", async ([, possible, make], { skip }) => {
    skip(!possible, "this system or user cannot make it");
    const { home, load } = await setUp();
    const cacheDir = await make(home);
    const error = await failure(load({ cacheDir }));
    expect(error).toMatchObject({
      name: "RewardModelScoreError",
      code: "ERR_IO",
      details: { path: expect.stringContaining(cacheDir) as string },
    });
    expect(error.message).toContain(cacheDir);
    expect(error.message).toContain("HF_HUB_CACHE");
    // Nor is there anything in it.
    expect(await failure(load({ cacheDir, localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
    expect(await failure(removeFromCache(cacheDir, MODEL))).toMatchObject({ code: "ERR_NOT_FOUND" });
  });

  it("is no empty one", async () => {
    const { cache } = await setUp();
    await put(cache);
    expect(await failure(listCache(cache))).toMatchObject({ code: "ERR_IO", details: { path: cache } });
    expect(await listCache(`${cache} that is not there`)).toEqual([]);
  });
});

/** What lies where the parts of a model go, and whether loading can do something about it. */
const parts: [string, (folder: string, commit: string, oid: string) => string, boolean][] = [
  ["the model's folder", (folder) => folder, false],
  ["the snapshots", (folder) => join(folder, "snapshots"), false],
  ["a snapshot", (folder, commit) => join(folder, "snapshots", commit), false],
  ["the blobs", (folder) => join(folder, "blobs"), false],
  ["the references", (folder) => join(folder, "refs"), true],
  ["the listings", (folder) => join(folder, "trees"), true],
  ["the locks", (folder) => join(folder, "..", ".locks"), false],
  ["a listing", (folder, commit) => join(folder, "trees", `${commit}.json`), true],
  ["a reference", (folder) => join(folder, "refs", "main"), true],
  [
    "a lock",
    (folder, _, oid) => join(folder, "..", ".locks", "models--owner--model", `${oid}.ranges.lock`),
    true,
  ],
  ["a download", (folder, _, oid) => join(folder, "blobs", `${oid}.ranges.incomplete`), true],
  ["the log of a download", (folder, _, oid) => join(folder, "blobs", `${oid}.ranges.log`), true],
  ["a file of the snapshot", (folder, commit) => join(folder, "snapshots", commit, "config.json"), true],
];

async function setUpParts() {
  const all = await setUp();
  const commit = all.repository.resolve("main")!;
  const oid = all.repository.commits.get(commit)!.get("config.json")!.gitOid;
  return { ...all, commit, oid };
}

describe("something else in the place of", () => {
  it.each(parts)("%s: a file, which is replaced or told", async (_, pathOf, mendable) => {
    const { folder, load, commit, oid } = await setUpParts();
    const path = pathOf(folder, commit, oid);
    await put(path);
    if (mendable) {
      const { directory } = await load();
      expect(await filesBelow(directory)).toEqual(NEEDED);
      await requireSoundCache(folder);
    } else {
      const error = await failure(load());
      expect(error).toMatchObject({ name: "RewardModelScoreError", code: "ERR_IO" });
      expect(error.message).toContain(
        path.replace("/../", "/").replace(/models--owner--model\/\.locks/, ".locks"),
      );
    }
  });

  it.runIf(unix).each(parts)("%s: a FIFO, for which nobody waits", async (_, pathOf) => {
    const { folder, load, commit, oid } = await setUpParts();
    const path = pathOf(folder, commit, oid);
    await mkdir(dirname(path), { recursive: true });
    execFileSync("mkfifo", [path]);
    await load().catch((error: unknown) => expect(error).toMatchObject({ code: "ERR_IO" }));
  });

  it.runIf(unix)("a download: a link, through which nothing is written", async () => {
    const { home, folder, load, commit, oid } = await setUpParts();
    const other = join(home, "other");
    await put(other);
    for (const suffix of ["incomplete", "log"]) {
      const path = join(folder, "blobs", `${oid}.ranges.${suffix}`);
      await mkdir(dirname(path), { recursive: true });
      await symlink(other, path);
    }
    expect(await filesBelow((await load()).directory)).toEqual(NEEDED);
    expect(await readFile(other, "utf8")).toBe("in the way");
    expect(commit).toHaveLength(40);
  });

  it("a blob: a folder", async () => {
    const { cache, folder, load, oid } = await setUpParts();
    await mkdir(join(folder, "blobs", oid, "full"), { recursive: true });
    expect(await failure(load())).toMatchObject({
      code: "ERR_IO",
      details: { path: join(folder, "blobs", oid) },
    });
    expect((await verifyCache(cache, { removeDamaged: true })).damage).toMatchObject([
      { problem: "damaged" },
    ]);
    await load();
    await requireSoundCache(folder);
  });

  it("a snapshot: the model was there, and a file took its place", async () => {
    const { folder, load, commit } = await setUpParts();
    const { directory } = await load();
    await rm(directory, { recursive: true });
    await put(directory);
    const error = await failure(load({ revision: commit }));
    expect(error).toMatchObject({ code: "ERR_IO" });
    expect(error.message).toContain(directory);
    await rm(directory);
    await load();
    await requireSoundCache(folder);
  });

  it.each(["", "\0", "main", "../../..", "x".repeat(2_000_000), "f".repeat(40)])(
    "a reference: anything (%#)",
    async (text) => {
      const { folder, cache, load } = await setUpParts();
      await load();
      await put(join(folder, "refs", "main"), text);
      expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
      expect(await listCache(cache)).toMatchObject([{ revisions: [{ refs: [] }] }]);
      await load();
      expect((await lstat(join(folder, "refs", "main"))).size).toBe(40);
    },
  );
});
