import { execFile } from "node:child_process";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileLock } from "#lib/io/file-lock.js";
import { failure, filesBelow } from "../hub/support.js";
import { temporaryFolder } from "../temporary-folder.js";

const QUICK = { heartbeat: 50, stale: 300, poll: 5 };

function place() {
  const folder = temporaryFolder("lock");
  return { folder, path: join(folder, "locks", "blob.lock") };
}

/** What a holder in another process wrote. */
async function heldBy(path: string, owner: object, age = 0): Promise<void> {
  const own = await FileLock.acquire(path, undefined, QUICK);
  const mine = JSON.parse(await readFile(path, "utf8")) as object;
  await own.release();
  await writeFile(path, JSON.stringify({ ...mine, id: "another", ...owner }));
  const then = new Date(Date.now() - age);
  await utimes(path, then, then);
}

/** A pid that was in use and is not any more. */
async function deadPid(): Promise<number> {
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, ["-e", ""], () => resolve(child.pid!));
  });
}

it("lets one in at a time", async () => {
  const { folder, path } = place();
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const lock = await FileLock.acquire(path, undefined, QUICK);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
      await lock.release();
    }),
  );
  expect(most).toBe(1);
  expect(await filesBelow(folder)).toEqual([]);
});

it("is taken over from a dead process by one of those who wait", async () => {
  const { folder, path } = place();
  await heldBy(path, { pid: await deadPid() });
  let inside = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const lock = await FileLock.acquire(path, undefined, QUICK);
      expect(++inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
      await lock.release();
    }),
  );
  expect(await filesBelow(folder)).toEqual([]);
});

it("is not taken from a process that runs, or from another machine's before it has been silent for long", async () => {
  for (const owner of [{ pid: process.pid }, { machine: "elsewhere", pid: 1 }]) {
    const { path } = place();
    await heldBy(path, owner, 100);
    const reason = new Error("waited enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 60);
    let waits = 0;
    const onWait = () => waits++;
    expect(await failure(FileLock.acquire(path, controller.signal, { ...QUICK, onWait }))).toBe(reason);
    expect(waits).toBe(1);
  }
});

it("is taken over from another machine's process that has been silent for long", async () => {
  const { path } = place();
  await heldBy(path, { machine: "elsewhere" }, 1_000);
  await (await FileLock.acquire(path, undefined, QUICK)).release();
});

it("is taken over when its holder died before it could write its name", async () => {
  const { path } = place();
  await heldBy(path, {});
  await writeFile(path, "");
  const then = new Date(Date.now() - 1_000);
  await utimes(path, then, then);
  await (await FileLock.acquire(path, undefined, QUICK)).release();
});

it("shows that its holder is alive", async () => {
  const { path } = place();
  const lock = await FileLock.acquire(path, undefined, QUICK);
  const { stat } = await import("node:fs/promises");
  const then = new Date(Date.now() - 10_000);
  await utimes(path, then, then);
  await expect.poll(async () => (await stat(path)).mtimeMs).toBeGreaterThan(then.getTime() + 5_000);
  await lock.release();
});

it("is not released by one from whom it was taken", async () => {
  const { path } = place();
  const lock = await FileLock.acquire(path, undefined, QUICK);
  await writeFile(path, JSON.stringify({ id: "another", pid: process.pid, machine: "elsewhere" }));
  await lock.release();
  expect(await readFile(path, "utf8")).toContain("another");
});

it("is taken at once when its pid belongs to another process by now", async () => {
  const { path } = place();
  await heldBy(path, { pid: process.pid, started: "before" });
  await (await FileLock.tryAcquire(path, QUICK))!.release();
});

it("is not waited for by who only tries", async () => {
  const { folder, path } = place();
  const lock = await FileLock.acquire(path, undefined, QUICK);
  expect(await FileLock.tryAcquire(path, QUICK)).toBeUndefined();
  await lock.release();
  await heldBy(path, { pid: await deadPid() });
  await (await FileLock.tryAcquire(path, QUICK))!.release();
  expect(await filesBelow(folder)).toEqual([]);
});

it("is not taken from a process that was stopped for long", async () => {
  const { path } = place();
  await heldBy(path, {}, 1_000_000);
  // Where the system does not tell when a process started, nothing tells it from another one with its pid.
  const { started } = JSON.parse(await readFile(path, "utf8")) as { started?: string };
  if (started === undefined) return;
  expect(await FileLock.tryAcquire(path, QUICK)).toBeUndefined();
});
