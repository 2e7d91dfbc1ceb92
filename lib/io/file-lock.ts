import { randomUUID } from "node:crypto";
import { lstat, open, rm, utimes } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { makeFolder } from "./make-folder.js";
import { isAlive, machine, thisProcess } from "./process-identity.js";
import { readText } from "./regular-file.js";

/** Who holds a lock. `machine` names the process table that `pid` belongs to. */
const ownerSchema = v.object({
  id: v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/)), // becomes a part of a file's name
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  started: v.optional(v.string()),
  machine: v.string(),
});
type Owner = v.InferOutput<typeof ownerSchema>;

export interface LockTimes {
  /** How often the holder shows that it is alive. */
  heartbeat: number;
  /** How long a silent holder counts as alive when its process cannot be looked up, and ten times that when it can. */
  stale: number;
  /** How often others look whether the lock is free. */
  poll: number;
}

const TIMES: LockTimes = { heartbeat: 5_000, stale: 60_000, poll: 100 };

/**
 * A lock that processes share through a file. A holder that died is noticed at once when it ran on this machine, else
 * when its heartbeat stops, and its lock is taken over by exactly one of those who wait.
 *
 * Node has no flock(2), so this cannot be the lock that `huggingface_hub` takes on the same blob. Each client writes to
 * a file of its own and renames it, so the worst that the two can do to each other is to download the same blob twice.
 */
export class FileLock {
  readonly #beat: NodeJS.Timeout;

  private constructor(
    private readonly path: string,
    private readonly id: string,
    times: LockTimes,
  ) {
    this.#beat = setInterval(
      () => void utimes(path, new Date(), new Date()).catch(() => {}),
      times.heartbeat,
    );
    this.#beat.unref();
  }

  /** Waits for the lock; `signal` ends the wait with its reason, `onWait` is told of it. */
  static async acquire(
    path: string,
    signal?: AbortSignal,
    { onWait, ...change }: Partial<LockTimes> & { onWait?: () => void } = {},
  ): Promise<FileLock> {
    const times = { ...TIMES, ...change };
    await makeFolder(dirname(path));
    for (let waited = false; ; waited = true) {
      signal?.throwIfAborted();
      const lock = await FileLock.#tryOnce(path, times);
      if (lock) return lock;
      if (!waited) onWait?.();
      await FileLock.#removeIfDead(path, signal, times);
      // Jitter keeps those who wait out of step.
      await sleep(times.poll * (0.5 + Math.random()), undefined, { ...(signal && { signal }) }).catch(
        () => {},
      );
    }
  }

  /** Takes the lock if it is free, or held by a process that has died. */
  static async tryAcquire(path: string, times: LockTimes = TIMES): Promise<FileLock | undefined> {
    const lock = await FileLock.#tryOnce(path, times);
    if (lock) return lock;
    await FileLock.#removeIfDead(path, undefined, times);
    return await FileLock.#tryOnce(path, times);
  }

  async release(): Promise<void> {
    clearInterval(this.#beat);
    const owner = await readOwner(this.path);
    if (owner?.id === this.id) await rm(this.path, { force: true });
  }

  static async #tryOnce(path: string, times: LockTimes): Promise<FileLock | undefined> {
    const owner: Owner = { id: randomUUID(), ...thisProcess(), machine: machine() };
    const file = await open(path, "wx").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!file) return undefined;
    try {
      await file.writeFile(JSON.stringify(owner));
      return new FileLock(path, owner.id, times);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  /**
   * Removes the lock of a dead holder. Two who do this at once could remove the lock that a third has just taken, so
   * the removal needs a lock of its own, one for each dead holder: whoever has it looks again, and while the dead
   * one's lock is still there nobody can have taken a new one.
   */
  static async #removeIfDead(path: string, signal: AbortSignal | undefined, times: LockTimes): Promise<void> {
    const dead = await deadOwner(path, times);
    if (dead === undefined) return;
    const removal = await FileLock.acquire(`${path}.${dead.slice(0, 8)}`, signal, times);
    try {
      if ((await deadOwner(path, times)) === dead) await rm(path, { force: true });
    } finally {
      await removal.release();
    }
  }
}

/** The id of a holder that is known to be dead. */
async function deadOwner(path: string, times: LockTimes): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return undefined;
  if (!found.isFile()) return "nameless"; // a link, a FIFO: none of us made it
  const age = Date.now() - found.mtimeMs;
  const owner = await readOwner(path);
  // Killed between creating the file and writing its name into it.
  if (!owner) return age > times.heartbeat ? "nameless" : undefined;
  if (owner.machine !== machine()) return age > times.stale ? owner.id : undefined;
  if (!isAlive(owner)) return owner.id;
  // Where nothing tells when a process started, one that is silent for long is another one with the same pid.
  return owner.started === undefined && age > 10 * times.stale ? owner.id : undefined;
}

/** Who holds a lock; undefined where a file is no lock. */
export async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return v.parse(ownerSchema, JSON.parse((await readText(path)) ?? ""));
  } catch {
    return undefined;
  }
}
