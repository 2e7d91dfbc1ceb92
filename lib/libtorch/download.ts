import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { EnvHttpProxyAgent, fetch } from "undici";
import { RewardModelScoreError } from "../errors.js";
import { findPython } from "./python.js";
import { LIBTORCH_VERSION } from "./version.js";

export type Device = "cpu" | "cuda";

/** PyTorch's own download; there is one for this platform only. Elsewhere Python's wheels are it. */
export function downloadUrl(device: Device): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  // CUDA 13.0 is what the wheel of this release is built with too.
  const flavour = device === "cuda" ? "cu130" : "cpu";
  return `https://download.pytorch.org/libtorch/${flavour}/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2B${flavour}.zip`;
}

/** Proxies of the environment, which the built-in fetch ignores. */
const dispatcher = new EnvHttpProxyAgent();
const ANSWER_TIMEOUT = 5_000;
const IDLE_TIMEOUT = 60_000;

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: (bytes: number, total: number | undefined) => void;
}

/** Whether the server answers a HEAD request for the file within five seconds. */
export async function isReachable(url: string, signal?: AbortSignal): Promise<boolean> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT);
  try {
    const response = await fetch(url, {
      method: "HEAD",
      dispatcher,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    return response.ok;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

/** Fetches a file into a folder; a body that ends early or goes silent for a minute is ERR_NETWORK. */
export async function downloadFile(
  url: string,
  directory: string,
  { signal, onProgress }: DownloadOptions = {},
): Promise<string> {
  const path = join(directory, decodeURIComponent(basename(new URL(url).pathname)));
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error("nothing arrived for a minute")), IDLE_TIMEOUT);
  const abort = signal ? AbortSignal.any([signal, idle.signal]) : idle.signal;
  try {
    const response = await fetch(url, { signal: abort, dispatcher });
    if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
    const total = Number(response.headers.get("content-length")) || undefined;
    let bytes = 0;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer.refresh();
        onProgress?.((bytes += chunk.length), total);
        done(null, chunk);
      },
    });
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    await pipeline(body, count, createWriteStream(path), { signal: abort });
    if (total !== undefined && bytes !== total) throw new Error(`${bytes} of ${total} bytes arrived`);
    return path;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "syscall" in error && "path" in error) throw error;
    // fetch's own message is "fetch failed"; what failed is its cause.
    const { cause = error } = error as Error;
    const reason = (idle.signal.aborted ? idle.signal.reason : cause) as Error;
    throw new RewardModelScoreError(
      "ERR_NETWORK",
      `${url} could not be fetched: ${reason.message}. Run the command again.`,
      { url },
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Lets pip fetch the wheel of torch alone into a folder, and returns its path. */
export async function downloadWheel(directory: string, signal?: AbortSignal): Promise<string> {
  await pip(["download", "--no-deps", "--dest", directory], directory, signal);
  const wheel = (await readdir(directory)).find((name) => name.endsWith(".whl"));
  if (wheel !== undefined) return join(directory, wheel);
  throw new RewardModelScoreError("ERR_NETWORK", `pip fetched no wheel of torch ${LIBTORCH_VERSION}.`, {
    url: REQUIREMENT,
  });
}

/** Lets pip install torch with the packages that hold CUDA's libraries into a folder, as it would for Python. */
export async function installWheels(
  directory: string,
  temporary: string,
  signal?: AbortSignal,
): Promise<void> {
  await pip(["install", "--no-compile", "--target", directory], temporary, signal);
}

const REQUIREMENT = `torch==${LIBTORCH_VERSION}`;

/** pip knows the user's package index, proxies and certificates. What it prints goes to stderr. */
async function pip(args: string[], temporary: string, signal?: AbortSignal): Promise<void> {
  const python = await findPython();
  if (!python) {
    throw new RewardModelScoreError(
      "ERR_RUNTIME_NOT_FOUND",
      `libtorch can be fetched neither from PyTorch's download site (it cannot be reached, or has no build for ` +
        `${process.platform}-${process.arch}) nor with pip (there is no python3 on the PATH). Install ` +
        `Python with pip, or copy an archive to this machine and run "npx reward-model-score setup --offline <file>".`,
      { searched: ["download.pytorch.org", "pip"] },
    );
  }
  const always = ["--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check"];
  const all = ["-m", "pip", ...args, ...always, REQUIREMENT];
  // pip's own temporary files are as big as the wheels, and /tmp is often small.
  const env = { ...process.env, TMPDIR: temporary };
  const status = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(python.command, all, { env, signal, stdio: ["ignore", 2, 2] });
    // An abort kills pip and arrives here as an error, before pip has ended.
    child.on("error", (error) => signal?.aborted || reject(error));
    child.on("close", resolve);
  });
  signal?.throwIfAborted();
  if (status === 0) return;
  throw new RewardModelScoreError(
    "ERR_NETWORK",
    `"${python.command} ${all.join(" ")}" failed with status ${status}; its own words are above.`,
    { url: REQUIREMENT },
  );
}
