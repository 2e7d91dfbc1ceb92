import { execFile, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ClaimsUnavailable, GpuClaims, type GpuClaim } from "#lib/device-map/gpu-claims.js";
import { temporaryFolder } from "../temporary-folder.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder("claims");
});

const CHILD = fileURLToPath(new URL("./claim-child.mjs", import.meta.url));

/** What a new step sees of the others, without a claim of its own. */
async function seen(): Promise<string[]> {
  const { chosen } = await new GpuClaims(folder).claim("looker", (others) => ({
    gpus: [],
    chosen: others.flatMap(({ gpus }) => gpus),
  }));
  return chosen;
}

async function claims(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".json"));
}

it("is seen by others until it is released", async () => {
  const { chosen, release } = await new GpuClaims(folder).claim("owner/model", () => ({
    gpus: ["1", "GPU-7f"],
    chosen: "that",
  }));
  expect(chosen).toBe("that");
  expect(await seen()).toEqual(["1", "GPU-7f"]);
  await release();
  await release();
  expect(await seen()).toEqual([]);
  expect(await claims()).toEqual([]);
});

it("is not made when nothing is chosen", async () => {
  await expect(
    new GpuClaims(folder).claim("m", () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(await readdir(folder)).toEqual([]);
});

it("ends with the process, and is not heeded after one that was killed", async () => {
  for (const end of ["exit", "SIGKILL"] as const) {
    const child = fork(CHILD, [folder]);
    await once(child, "message");
    expect(await seen()).toEqual(["0"]);
    const ended = once(child, "exit");
    if (end === "exit") child.send("exit");
    else child.kill(end);
    await ended;
    expect((await claims()).length).toBe(end === "exit" ? 0 : 1);
    expect(await seen()).toEqual([]);
    expect(await claims()).toEqual([]);
  }
});

async function forge(change: Partial<GpuClaim>): Promise<void> {
  const { release } = await new GpuClaims(folder).claim("m", () => ({ gpus: ["0"], chosen: undefined }));
  const [name] = await claims();
  const claim = JSON.parse(await readFile(join(folder, name!), "utf8")) as GpuClaim;
  await release();
  await writeFile(join(folder, "forged.json"), JSON.stringify({ ...claim, ...change }));
}

it("of a process that has the pid of a dead one does not count", async () => {
  await forge({});
  expect(await seen()).toEqual(["0"]);
  if (process.platform === "linux") {
    await forge({ started: "1" });
    expect(await seen()).toEqual([]);
  }
  const dead = await new Promise<number>((resolve) => {
    const child = execFile(process.execPath, ["-e", ""], () => resolve(child.pid!));
  });
  await forge({ pid: dead });
  expect(await seen()).toEqual([]);
});

it("of another process table, and what is no claim, is left alone", async () => {
  await forge({ machine: "a container", pid: 1 });
  await writeFile(join(folder, "notes.json"), '{"gpus": "all"}');
  expect(await seen()).toEqual([]);
  expect(await claims()).toEqual(["forged.json", "notes.json"]);
});

const linux = process.platform === "linux";
const unix = process.platform !== "win32";

describe("a folder that is not the user's alone", () => {
  it.runIf(unix)("is not used when it is a link, and what it leads to stays as it is", async () => {
    const other = temporaryFolder("other");
    await chmod(other, 0o755);
    const link = join(folder, "link");
    await symlink(other, link);
    const claim = new GpuClaims(link).claim("m", () => ({ gpus: ["0"], chosen: undefined }));
    await expect(claim).rejects.toBeInstanceOf(ClaimsUnavailable);
    await expect(claim).rejects.toThrow(link);
    expect((await stat(other)).mode & 0o777).toBe(0o755);
    expect(await readdir(other)).toEqual([]);
  });

  it.runIf(unix).each([0o777, 0o1777, 0o770, 0o702])("is not used with the mode %o", async (mode) => {
    await chmod(folder, mode);
    await expect(seen()).rejects.toBeInstanceOf(ClaimsUnavailable);
    expect(await readdir(folder)).toEqual([]);
  });

  it("is not used when it is a file", async () => {
    const file = join(folder, "file");
    await writeFile(file, "", { mode: 0o600 });
    await expect(new GpuClaims(file).claim("m", () => ({ gpus: [], chosen: 0 }))).rejects.toBeInstanceOf(
      ClaimsUnavailable,
    );
  });

  it.runIf(unix)("is made for the user alone, whatever the umask", async () => {
    const made = join(folder, "made");
    const before = process.umask(0);
    try {
      await new GpuClaims(made).claim("m", () => ({ gpus: [], chosen: 0 }));
    } finally {
      process.umask(before);
    }
    expect((await stat(made)).mode & 0o777).toBe(0o700);
  });
});

/** Processes that run and are not this one: the first of all, and one that is ours. */
const RUNNING = [1, process.ppid];

describe("what somebody left in the folder", () => {
  it.runIf(linux).each(RUNNING)(
    "as a lock of process %i, which never took it, holds nobody up",
    async (pid) => {
      await forge({});
      const { machine } = JSON.parse(await readFile(join(folder, "forged.json"), "utf8")) as GpuClaim;
      for (const started of [undefined, "1"]) {
        await writeFile(join(folder, "lock"), JSON.stringify({ id: "forged", pid, started, machine }));
        expect(await seen()).toEqual(["0"]);
      }
    },
  );

  it.runIf(linux).each(RUNNING)(
    "as a claim of process %i, which never made it, does not count",
    async (pid) => {
      await forge({ pid });
      expect(await seen()).toEqual([]);
    },
  );

  it.runIf(unix)("as a FIFO or a link holds nobody up", async () => {
    for (const name of ["lock", "claim.json"]) execFileSync("mkfifo", [join(folder, name)]);
    await symlink("/dev/zero", join(folder, "zero.json"));
    await symlink(join(folder, "lock"), join(folder, "loop.json"));
    expect(await seen()).toEqual([]);
    await symlink("nowhere", join(folder, "lock"));
    expect(await seen()).toEqual([]);
  });

  it("as a lock that cannot be taken away is waited for a short time, and then told", async () => {
    const own = await new GpuClaims(folder).claim("m", () => ({ gpus: ["0"], chosen: 0 }));
    await writeFile(join(folder, "lock"), "{}"); // somebody is about to write a name into it
    const claim = new GpuClaims(folder, 30).claim("m", () => ({ gpus: [], chosen: 0 }));
    await expect(claim).rejects.toThrow(/another process holds .*lock/);
    const reason = new Error("the caller's");
    const aborted = new GpuClaims(folder).claim(
      "m",
      () => ({ gpus: [], chosen: 0 }),
      AbortSignal.abort(reason),
    );
    await expect(aborted).rejects.toBe(reason);
    await own.release();
  });

  it("as a folder in the lock's place is an error of the system, which is no reason not to score", async () => {
    await mkdir(join(folder, "lock", "full"), { recursive: true });
    await expect(seen()).rejects.toHaveProperty("syscall");
  });

  it("as a claim with escape sequences is told without them", async () => {
    await forge({ model: "owner/\u001b[2J\u009b31mmodel" });
    const { chosen } = await new GpuClaims(folder).claim("looker", (others) => ({
      gpus: [],
      chosen: others.map(({ model }) => model),
    }));
    expect(chosen).toEqual(["owner/\\u001b[2J\\u009b31mmodel"]);
  });

  it("of any other content is passed over", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), fc.json(), async (claim, lock) => {
        await writeFile(join(folder, "any.json"), claim);
        await writeFile(join(folder, "lock"), lock);
        const old = new Date(0);
        await utimes(join(folder, "lock"), old, old);
        expect(await seen()).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});
