import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { FileLock } from "../io/file-lock.js";
import { isAlive, machine, thisProcess } from "../io/process-identity.js";
import { readText } from "../io/regular-file.js";
import { printable } from "../printable.js";

const schema = v.object({
  /** By the names of `physicalGpu`. */
  gpus: v.array(v.string()),
  /** Whose they are, for messages. */
  model: v.pipe(v.string(), v.maxLength(5000), v.transform(printable)),
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  started: v.optional(v.string()),
  machine: v.string(),
});

/** Windows has no numbers for users, and a folder for temporary files for each. */
const USER = process.getuid?.();

/** How long the lock is waited for; it is held for some milliseconds at a time. */
const PATIENCE = 5_000;

/** The folder of the claims cannot be used; scoring goes on without it. */
export class ClaimsUnavailable extends Error {}

/** What a step tells the others on its host: which GPUs it uses. */
export type GpuClaim = v.InferOutput<typeof schema>;

/** Files of the claims that this process has. */
const own = new Set<string>();

function removeOwn(): void {
  for (const path of own) rmSync(path, { force: true });
}

/**
 * The claims of this user's steps on this host: a file for each, so that whoever ends takes away its own. Those of
 * processes that ended without doing so do not count and are removed.
 *
 * The folder is the user's alone: in one that users share, each could hold up the others or tell them anything.
 */
export class GpuClaims {
  constructor(
    private readonly folder = join(tmpdir(), `reward-model-score-gpus-${USER ?? "own"}`),
    private readonly patience = PATIENCE,
  ) {}

  /**
   * Shows `choose` what others have, and claims what it returns before anybody else looks.
   *
   * @returns what `choose` returned, and the end of the claim
   */
  async claim<T>(
    model: string,
    choose: (others: readonly GpuClaim[]) => { gpus: string[]; chosen: T },
    signal?: AbortSignal,
  ): Promise<{ chosen: T; release: () => Promise<void> }> {
    await this.#requireFolder();
    const lock = await this.#lock(signal);
    try {
      const { gpus, chosen } = choose(await this.#others());
      return { chosen, release: gpus.length === 0 ? async () => {} : await this.#write(gpus, model) };
    } finally {
      await lock.release();
    }
  }

  /** Whoever comes first could have put another folder, or a link to one, in its place. */
  async #requireFolder(): Promise<void> {
    await mkdir(this.folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    const found = await lstat(this.folder);
    const isOwn = USER === undefined || (found.uid === USER && (found.mode & 0o077) === 0);
    if (found.isDirectory() && isOwn) return;
    throw new ClaimsUnavailable(
      `${this.folder} is not a folder that only you may use; remove it, or set TMPDIR to a folder of yours`,
    );
  }

  async #lock(signal: AbortSignal | undefined): Promise<FileLock> {
    const enough = AbortSignal.timeout(this.patience);
    try {
      return await FileLock.acquire(
        join(this.folder, "lock"),
        signal ? AbortSignal.any([signal, enough]) : enough,
      );
    } catch (error) {
      signal?.throwIfAborted();
      if (!enough.aborted) throw error;
      throw new ClaimsUnavailable(`another process holds ${join(this.folder, "lock")}`);
    }
  }

  async #write(gpus: string[], model: string): Promise<() => Promise<void>> {
    const path = join(this.folder, `${randomUUID()}.json`);
    const claim: GpuClaim = { gpus, model, ...thisProcess(), machine: machine() };
    if (own.size === 0) process.on("exit", removeOwn);
    own.add(path);
    await writeFile(path, JSON.stringify(claim), { flag: "wx" });
    return async () => {
      await rm(path, { force: true });
      own.delete(path);
      if (own.size === 0) process.off("exit", removeOwn);
    };
  }

  async #others(): Promise<GpuClaim[]> {
    const claims: GpuClaim[] = [];
    for (const name of await readdir(this.folder)) {
      if (!name.endsWith(".json")) continue;
      const path = join(this.folder, name);
      const claim = await readClaim(path);
      // What is claimed in another process table, as of a container, is not known to be this host's GPU, or alive.
      if (claim?.machine !== machine()) continue;
      if (isAlive(claim)) claims.push(claim);
      else await rm(path, { force: true });
    }
    return claims;
  }
}

async function readClaim(path: string): Promise<GpuClaim | undefined> {
  try {
    return v.parse(schema, JSON.parse((await readText(path)) ?? ""));
  } catch {
    return undefined; // taken away in the meantime, or no claim
  }
}

/**
 * Names of GPUs that mean the same in all processes of a host: what `CUDA_VISIBLE_DEVICES` calls the one with an index
 * of this process, else the index.
 */
export function physicalGpu(index: number, visible: readonly string[] | undefined): string {
  return visible?.[index] || String(index);
}
