import { fork, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach } from "vitest";
import { readHubEnvironment, type HubEnvironment } from "#lib/env.js";
import { resolveModel, type ResolvedModel, type ResolveModelOptions } from "#lib/hub/resolve-model.js";
import type { RetryPolicy } from "#lib/download/retry.js";
import { temporaryFolder } from "../temporary-folder.js";
import { MODEL, modelFiles } from "./model-files.mjs";
import type { Content } from "./server/content.mjs";
import { TestHub } from "./server/hub-server.mjs";

export { MODEL, modelFiles, NEEDED } from "./model-files.mjs";

/** Several tries in a short time. */
export const QUICK: RetryPolicy = { attempts: 4, baseDelay: 2, maxDelay: 10, maxRetryAfter: 2_000 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function startHub(): Promise<TestHub> {
  const hub = await TestHub.start();
  cleanups.push(() => hub.close());
  return hub;
}

/** A Hub with one model, an empty cache, and a call that brings them together. */
export async function setUp(files: Record<string, string | Buffer | Content> = modelFiles()) {
  const hub = await startHub();
  const repository = hub.add(MODEL, files);
  const home = temporaryFolder("hub");
  const env = (variables: NodeJS.ProcessEnv = {}): HubEnvironment =>
    readHubEnvironment({
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: home,
      HF_HUB_DOWNLOAD_TIMEOUT: "0.3",
      ...variables,
    });
  const load = (
    options: Partial<ResolveModelOptions> = {},
    variables: NodeJS.ProcessEnv = {},
  ): Promise<ResolvedModel> => resolveModel({ model: MODEL, ...options }, env(variables), QUICK);
  return {
    hub,
    repository,
    home,
    cache: join(home, "hub"),
    folder: join(home, "hub", "models--owner--model"),
    env,
    load,
  };
}

/** The files below a folder, without folders, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Every blob's name is the hash of what is in it, and nothing is left of how it got there. */
export async function requireSoundCache(folder: string): Promise<void> {
  for (const name of await filesBelow(join(folder, "blobs"))) {
    const bytes = await readFile(join(folder, "blobs", name));
    const hash =
      name.length === 64
        ? createHash("sha256").update(bytes)
        : createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes);
    if (hash.digest("hex") !== name)
      throw new Error(`blobs/${name} holds something else (${bytes.length} bytes)`);
  }
}

export async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** The error of a promise that has to fail. */
export async function failure(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; details?: unknown }> {
  return await promise.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as Error,
  );
}

/** Loads the model in a process of its own. */
export function loadInChild(variables: NodeJS.ProcessEnv): ChildProcess {
  const child = fork(new URL("./load-child.mjs", import.meta.url), [MODEL], {
    env: { PATH: process.env.PATH, ...variables },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  cleanups.push(() => ended(child, () => child.kill("SIGKILL")).then(() => undefined));
  return child;
}

/** The exit code and signal of a child, and what it wrote to stderr. */
export async function ended(
  child: ChildProcess,
  start: () => unknown = () => {},
): Promise<{ code: number | null; signal: string | null; stderr: string }> {
  let stderr = "";
  child.stderr?.on("data", (text: Buffer) => (stderr += text.toString()));
  if (child.exitCode !== null || child.signalCode !== null) {
    return { code: child.exitCode, signal: child.signalCode, stderr };
  }
  return await new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal, stderr }));
    start();
  });
}
