import { spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import pLimit from "p-limit";
import { Connection } from "../download/connection.js";
import { CONNECTIONS, downloadFile } from "../download/download-file.js";
import { Hasher } from "../download/hasher.js";
import { publicUrl } from "../download/public-url.js";
import { DEFAULT_RETRY_POLICY, retrying, throwAfterRetries, TransientError } from "../download/retry.js";
import { Source } from "../download/source.js";
import { readProxyEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import type { PublishedFile } from "./published.js";
import { findPython } from "./python.js";
import { LIBTORCH_VERSION } from "./version.js";

export type Device = "cpu" | "cuda";

/** Milliseconds. */
const ANSWER_TIMEOUT = 5_000;
const IDLE_TIMEOUT = 20_000;

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: (bytes: number, total: number | undefined) => void;
}

function connectTo(url: string): Connection {
  return new Connection({ endpoint: url, proxy: readProxyEnvironment(), timeout: ANSWER_TIMEOUT });
}

/** Whether the server has the file and answers within five seconds. */
export async function isReachable(url: string, signal?: AbortSignal): Promise<boolean> {
  await using connection = connectTo(url);
  try {
    return (await head(connection, url, signal)).status === 200;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TransientError || RewardModelScoreError.is(error, "ERR_NETWORK")) return false;
    throw error;
  }
}

async function head(connection: Connection, url: string, signal: AbortSignal | undefined) {
  const response = await connection.send(url, { method: "HEAD", signal, idleTimeout: ANSWER_TIMEOUT });
  await response.body.dump();
  return response;
}

/**
 * Fetches a file into a folder, from where an earlier attempt stopped, and returns its path when its sha256 is the
 * published one.
 *
 * @throws ERR_NETWORK after all attempts, ERR_CHECKSUM
 */
export async function downloadArchive(
  { url, sha256 }: PublishedFile,
  directory: string,
  { signal = new AbortController().signal, onProgress }: DownloadOptions,
): Promise<string> {
  await using connection = connectTo(url);
  await using hasher = new Hasher();
  const size = await retrying(() => sizeOf(connection, url, signal), DEFAULT_RETRY_POLICY, signal).catch(
    throwAfterRetries,
  );
  const target = join(directory, decodeURIComponent(basename(new URL(url).pathname)));
  const failure = ({ status, url: at }: { status: number; url: string }) =>
    Promise.resolve(new TransientError(`status ${status}`, publicUrl(at)));
  const source = new Source({ connection, url, size, idleTimeout: IDLE_TIMEOUT, failure });
  let loaded = 0;
  const progress = { add: (_path: string, bytes: number) => onProgress?.((loaded += bytes), size) };
  const limit = pLimit(CONNECTIONS);
  const context = {
    policy: DEFAULT_RETRY_POLICY,
    hasher,
    buffers: connection.buffers,
    progress,
    limit,
    signal,
  };
  await downloadFile(context, source, { path: publicUrl(url), size, oid: sha256 }, target);
  return target;
}

async function sizeOf(connection: Connection, url: string, signal: AbortSignal): Promise<number> {
  const { status, headers } = await head(connection, url, signal);
  const size = Number(headers["content-length"]);
  if (status === 200 && Number.isSafeInteger(size) && size > 0) return size;
  throw new TransientError(`status ${status}, ${headers["content-length"] ?? "no"} bytes`, publicUrl(url));
}

/** Lets pip fetch the wheel of torch alone into a folder, and returns its path. */
export async function downloadWheel(directory: string, options: DownloadOptions): Promise<string> {
  await pip(["download", "--no-deps", "--dest", directory], directory, options);
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
  options: DownloadOptions,
): Promise<void> {
  await pip(["install", "--no-compile", "--target", directory], temporary, options);
}

const REQUIREMENT = `torch==${LIBTORCH_VERSION}`;

/** Milliseconds between two looks at what pip has so far. */
const LOOK_INTERVAL = 1_000;

/** pip knows the user's package index, proxies and certificates. What it prints goes to stderr. */
async function pip(
  args: string[],
  temporary: string,
  { signal, onProgress }: DownloadOptions,
): Promise<void> {
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
  // Its bar is for terminals alone, where it would fight with ours.
  const all = ["-m", "pip", ...args, ...always, "--progress-bar", "off", REQUIREMENT];
  // pip's own temporary files are as big as the wheels, and /tmp is often small.
  const env = { ...process.env, TMPDIR: temporary };
  const looks = setInterval(() => {
    void bytesBelow(temporary).then((bytes) => onProgress?.(bytes, undefined));
  }, LOOK_INTERVAL);
  const status = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(python.command, all, { env, signal, stdio: ["ignore", 2, 2] });
    // An abort kills pip and arrives here as an error, before pip has ended.
    child.on("error", (error) => signal?.aborted || reject(error));
    child.on("close", resolve);
  }).finally(() => clearInterval(looks));
  signal?.throwIfAborted();
  if (status === 0) return;
  throw new RewardModelScoreError(
    "ERR_NETWORK",
    `"${python.command} ${all.join(" ")}" failed with status ${status}; its own words are above.`,
    { url: REQUIREMENT },
  );
}

/** Files come and go while they are counted. */
async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (found) => (found.isFile() ? found.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
