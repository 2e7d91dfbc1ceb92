import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, it } from "vitest";
import { GpuClaims, type GpuClaim } from "#lib/device-map/gpu-claims.js";
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
