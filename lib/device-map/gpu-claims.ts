import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { FileLock } from "../io/file-lock.js";
import { isRunning, machine, startTime } from "../io/process-identity.js";

const schema = v.object({
  /** By the names of `physicalGpu`. */
  gpus: v.array(v.string()),
  /** Whose they are, for messages. */
  model: v.string(),
  pid: v.number(),
  /** See `startTime`: another process may have the pid by now. */
  started: v.optional(v.string()),
  machine: v.string(),
});

/** What a step tells the others on its host: which GPUs it uses. */
export type GpuClaim = v.InferOutput<typeof schema>;

/** Files of the claims that this process has. */
const own = new Set<string>();

function removeOwn(): void {
  for (const path of own) rmSync(path, { force: true });
}

/**
 * The claims of all steps on this host: a file for each, so that whoever ends takes away its own, in a folder that all
 * users share. Those of processes that ended without doing so do not count and are removed.
 */
export class GpuClaims {
  constructor(private readonly folder = join(tmpdir(), "reward-model-score-gpus")) {}

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
    await mkdir(this.folder, { recursive: true });
    // Not by mkdir: the umask would take the others' rights away. Only the owner can do it, who did.
    await chmod(this.folder, 0o777).catch(() => {});
    const lock = await FileLock.acquire(join(this.folder, "lock"), signal);
    try {
      const { gpus, chosen } = choose(await this.#others());
      return { chosen, release: gpus.length === 0 ? async () => {} : await this.#write(gpus, model) };
    } finally {
      await lock.release();
    }
  }

  async #write(gpus: string[], model: string): Promise<() => Promise<void>> {
    const path = join(this.folder, `${randomUUID()}.json`);
    const { pid } = process;
    const claim: GpuClaim = { gpus, model, pid, started: startTime(pid), machine: machine() };
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
    return v.parse(schema, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined; // taken away in the meantime, or no claim
  }
}

function isAlive({ pid, started }: GpuClaim): boolean {
  return isRunning(pid) && (started === undefined || started === startTime(pid));
}

/**
 * Names of GPUs that mean the same in all processes of a host: what `CUDA_VISIBLE_DEVICES` calls the one with an index
 * of this process, else the index.
 */
export function physicalGpu(index: number, visible: readonly string[] | undefined): string {
  return visible?.[index] || String(index);
}
