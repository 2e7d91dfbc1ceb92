import { execFile } from "node:child_process";
import { readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { FileLock } from "#lib/io/file-lock.js";
import { failure, filesBelow } from "../hub/support.js";
import { temporaryFolder } from "../temporary-folder.js";
import { until } from "../wait.js";

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

/** A signal that knows how often it was waited with: between two waits of a lock it is looked at. */
function countingSignal() {
  const controller = new AbortController();
  const waits = vi.spyOn(controller.signal, "addEventListener");
  return { controller, signal: controller.signal, looks: () => waits.mock.calls.length };
}

/** How many of eight who want a lock had it at once: whoever has it keeps it until the others have looked for it again. */
async function contend(path: string): Promise<number> {
  const { signal, looks } = countingSignal();
  let outside = 8;
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: outside }, async () => {
      const lock = await FileLock.acquire(path, signal, QUICK);
      outside -= 1;
      most = Math.max(most, ++inside);
      const before = looks();
      await until(() => looks() >= before + 3 * outside);
      inside -= 1;
      await lock.release();
    }),
  );
  return most;
}

it("lets one in at a time", async () => {
  const { folder, path } = place();
  expect(await contend(path)).toBe(1);
  expect(await filesBelow(folder)).toEqual([]);
});

it("is taken over from a dead process by one of those who wait", async () => {
  const { folder, path } = place();
  await heldBy(path, { pid: await deadPid() });
  expect(await contend(path)).toBe(1);
  expect(await filesBelow(folder)).toEqual([]);
});

it("is not taken from a process that runs, or from another machine's before it has been silent for long", async () => {
  for (const owner of [{ pid: process.pid }, { machine: "elsewhere", pid: 1 }]) {
    const { path } = place();
    await heldBy(path, owner, 1_000);
    const reason = new Error("waited enough");
    const { controller, signal, looks } = countingSignal();
    const onWait = vi.fn();
    const waiting = failure(FileLock.acquire(path, signal, { ...QUICK, stale: 3_600_000, onWait }));
    await until(() => looks() >= 5);
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(onWait).toHaveBeenCalledOnce();
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
  const then = new Date(Date.now() - 10_000);
  await utimes(path, then, then);
  await until(async () => (await stat(path)).mtimeMs > then.getTime() + 5_000);
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

it("is not taken from a process that was stopped for long", async ({ skip }) => {
  const { path } = place();
  await heldBy(path, {}, 1_000_000);
  const { started } = JSON.parse(await readFile(path, "utf8")) as { started?: string };
  skip(started === undefined, "nothing here tells a process from another one with its pid");
  expect(await FileLock.tryAcquire(path, QUICK)).toBeUndefined();
});
