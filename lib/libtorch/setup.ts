import { access, lstat, mkdir, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { requireSpace, writeError } from "../io/disk.js";
import { formatBytes } from "../io/format.js";
import { LibtorchArchive } from "./archive.js";
import { DOWNLOAD_URL, downloadFile, downloadWheel, isReachable } from "./download.js";
import { findCached, findLibtorch, type Libtorch } from "./find.js";
import { isPinnedVersion, LIBTORCH_SERIES, LIBTORCH_VERSION, readVersion } from "./version.js";

export interface SetupOptions {
  /** A libtorch zip or a wheel of torch on this machine: nothing is fetched. */
  offline?: string | undefined;
  /** A libtorch folder on this machine to link into the cache: nothing is copied. */
  libtorch?: string | undefined;
  /** Say what would be done, and change nothing. */
  dryRun?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** One line about what happens now. */
  log?: (line: string) => void;
  onProgress?: (phase: "download" | "unpack", bytes: number, total: number | undefined) => void;
  /** Where PyTorch's own archive is; undefined = nowhere for this platform. */
  url?: string | undefined;
}

/** Download and unpacked files of the CPU build, with room to spare. */
export const SPACE_NEEDED = 1_000_000_000;

/**
 * Makes sure that there is a libtorch: the one that is found, else one that is fetched into the cache. Returns
 * undefined after a dry run that would have fetched one.
 *
 * Everything is written into a temporary folder beside the target and renamed when it is complete and verified.
 */
export async function setup(options: SetupOptions = {}): Promise<Libtorch | undefined> {
  const { cache } = readEnvironment();
  if (options.libtorch !== undefined) return link(options.libtorch, cache, options);
  const found = options.offline === undefined ? await find() : await findCached(cache);
  if (found) {
    options.log?.(`libtorch ${found.version ?? ""} is there: ${found.root}`);
    return found;
  }
  if (options.dryRun) {
    const source =
      options.offline ?? (await reachableUrl(options)) ?? `pip download torch==${LIBTORCH_VERSION}`;
    options.log?.(
      `Would fetch libtorch from ${source} into ${cache} (about ${formatBytes(SPACE_NEEDED)} of disk)`,
    );
    return undefined;
  }

  await mkdir(cache, { recursive: true }).catch((error: unknown) =>
    Promise.reject(writeError(error, cache) as Error),
  );
  const release = await acquireLock(cache, options);
  try {
    // Whoever held the lock before may have done the work.
    return (await findCached(cache)) ?? (await install(cache, options));
  } catch (error) {
    throw writeError(error, cache);
  } finally {
    await release();
  }
}

async function find(): Promise<Libtorch | undefined> {
  try {
    return await findLibtorch();
  } catch (error) {
    // A folder in LIBTORCH that is no good is the user's to mend: what is fetched now would never be used.
    if (RewardModelScoreError.is(error, "ERR_RUNTIME_NOT_FOUND") && !readEnvironment().libtorch)
      return undefined;
    throw error;
  }
}

async function install(cache: string, options: SetupOptions): Promise<Libtorch> {
  const { signal, log, onProgress } = options;
  const leftovers = (await readdir(cache)).filter((name) => name.startsWith(TEMPORARY));
  for (const name of leftovers) await rm(join(cache, name), { recursive: true });

  const temporary = await mkdtemp(join(cache, TEMPORARY));
  try {
    const file =
      options.offline === undefined ? await fetchArchive(temporary, options) : resolve(options.offline);
    const archive = await openArchive(file);
    try {
      await requireSpace(cache, archive.size);
      log?.(`Unpacking libtorch ${archive.version} and checking it`);
      const unpacked = join(temporary, "libtorch");
      await archive.unpack(unpacked, {
        signal,
        onProgress: (bytes) => onProgress?.("unpack", bytes, archive.size),
      });
      const root = join(cache, `libtorch-${archive.version.split("+")[0]}-${archive.flavour}`);
      // What is there is incomplete, or it would have been found.
      await rm(root, { recursive: true, force: true });
      await rename(unpacked, root);
      log?.(`libtorch ${archive.version} is in ${root}`);
      return { root, version: archive.version, source: "cache" };
    } finally {
      archive.close();
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const TEMPORARY = ".setup-";

async function fetchArchive(directory: string, options: SetupOptions): Promise<string> {
  const { signal, log, onProgress } = options;
  await requireSpace(directory, SPACE_NEEDED);
  const url = await reachableUrl(options);
  if (url !== undefined) {
    log?.(`Fetching ${url}`);
    return downloadFile(url, directory, {
      signal,
      onProgress: (bytes, total) => onProgress?.("download", bytes, total),
    });
  }
  log?.(
    `Fetching the wheel of torch ${LIBTORCH_VERSION} with pip: PyTorch's download site cannot be used from here`,
  );
  return downloadWheel(directory, signal);
}

async function reachableUrl({ signal, ...options }: SetupOptions): Promise<string | undefined> {
  const url = "url" in options ? options.url : DOWNLOAD_URL;
  return url !== undefined && (await isReachable(url, signal)) ? url : undefined;
}

/** Opens an archive that this package can use, or says why it cannot. */
async function openArchive(file: string): Promise<LibtorchArchive> {
  await access(file).catch((cause: unknown) => {
    throw new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `${file} does not exist or cannot be read.`,
      { path: file },
      { cause },
    );
  });
  const archive = await LibtorchArchive.open(file);
  try {
    if (!isPinnedVersion(archive.version)) {
      throw new RewardModelScoreError(
        "ERR_RUNTIME_VERSION",
        `${file} holds libtorch ${archive.version}, but this package is built for ${LIBTORCH_SERIES}.`,
        { found: archive.version, expected: LIBTORCH_SERIES },
      );
    }
    if (archive.isWheel && archive.flavour !== "cpu") {
      throw new RewardModelScoreError(
        "ERR_NOT_SUPPORTED",
        `${file} is a CUDA build (${archive.flavour}), and a wheel leaves CUDA's own libraries to other wheels. Install ` +
          `it with them ("python3 -m pip install torch==${LIBTORCH_VERSION}"): the torch of python3 on the PATH is found ` +
          `by itself, that of a virtual environment with LIBTORCH=…/site-packages/torch. Or give setup a libtorch zip ` +
          `of the CPU with --offline.`,
        { feature: "a CUDA wheel as libtorch" },
      );
    }
    return archive;
  } catch (error) {
    archive.close();
    throw error;
  }
}

/** Makes a folder that the user has the libtorch of the cache. */
async function link(
  folder: string,
  cache: string,
  { dryRun, log }: SetupOptions,
): Promise<Libtorch | undefined> {
  const found = await findLibtorch(folder);
  const version = readVersion(found.root) ?? LIBTORCH_VERSION;
  const [release, flavour = "local"] = version.split("+");
  const root = join(cache, `libtorch-${release}-${flavour}`);
  log?.(`${dryRun ? "Would link" : "Linking"} ${root} to ${found.root}`);
  if (dryRun) return undefined;
  try {
    await mkdir(cache, { recursive: true });
    const isLink = await lstat(root).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    );
    if (isLink) await rm(root);
    await symlink(found.root, root, process.platform === "win32" ? "junction" : "dir");
  } catch (error) {
    throw writeError(error, root);
  }
  return { ...found, root, source: "cache" };
}

/** One setup at a time in one cache; the lock of a process that died goes stale after 15 seconds. */
async function acquireLock(cache: string, { signal, log }: SetupOptions): Promise<() => Promise<void>> {
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted();
    try {
      // A lock that is lost, for example after the machine slept, costs double work at worst: the rename is atomic.
      return await lock(cache, {
        lockfilePath: join(cache, ".setup.lock"),
        stale: 15_000,
        onCompromised: () => {},
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw writeError(error, cache);
      if (!waited) log?.("Another setup is running; waiting for it");
      await setTimeout(500, undefined, signal ? { signal } : {});
    }
  }
}
