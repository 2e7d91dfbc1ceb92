import { access, lstat, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { readEnvironment } from "../env.js";
import { makeFolder } from "../io/make-folder.js";
import { RewardModelScoreError } from "../errors.js";
import { requireSpace, writeError } from "../io/disk.js";
import { formatBytes } from "../io/format.js";
import { readText } from "../io/regular-file.js";
import { flavourOf, LibtorchArchive } from "./archive.js";
import {
  type Device,
  downloadFile,
  downloadUrl,
  downloadWheel,
  installWheels,
  isReachable,
} from "./download.js";
import { findCached, findLibtorch, hasCuda, type Libtorch } from "./find.js";
import { isPinnedVersion, LIBTORCH_SERIES, LIBTORCH_VERSION, pythonVersion, readVersion } from "./version.js";

export interface SetupOptions {
  /** What to compute on: `"cuda"` asks for a CUDA build; any build will do for the default, `"cpu"`. */
  device?: Device | undefined;
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

/** What is fetched and what is unpacked, at once on the disk, with room to spare. */
export const SPACE_NEEDED: Record<Device, number> = { cpu: 1_000_000_000, cuda: 8_000_000_000 };

/**
 * Makes sure that there is a libtorch: the one that is found, else one that is fetched into the cache. Returns
 * undefined after a dry run that would have fetched one.
 *
 * Everything is written into a temporary folder beside the target and renamed when it is complete and verified.
 */
export async function setup(options: SetupOptions = {}): Promise<Libtorch | undefined> {
  const { cache } = readEnvironment();
  const { device = "cpu" } = options;
  if (options.libtorch !== undefined) return link(options.libtorch, cache, options);
  requireBuild(device);
  const cached = () => (device === "cuda" ? findCached(cache, hasCuda) : findCached(cache));
  const found = options.offline === undefined ? await find(device) : await cached();
  if (found) {
    options.log?.(`libtorch ${found.version ?? ""} is there: ${found.root}`);
    return found;
  }
  if (options.dryRun) {
    const command = device === "cuda" ? "pip install --target" : "pip download";
    const source =
      options.offline ?? (await reachableUrl(options)) ?? `${command} torch==${LIBTORCH_VERSION}`;
    options.log?.(
      `Would fetch libtorch from ${source} into ${cache} (about ${formatBytes(SPACE_NEEDED[device])} of disk)`,
    );
    return undefined;
  }

  await makeFolder(cache).catch((error: unknown) => Promise.reject(writeError(error, cache) as Error));
  const release = await acquireLock(cache, options);
  try {
    // Whoever held the lock before may have done the work.
    return (await cached()) ?? (await install(cache, options));
  } catch (error) {
    throw writeError(error, cache);
  } finally {
    await release();
  }
}

function requireBuild(device: Device): void {
  if (device !== "cuda" || process.platform !== "darwin") return;
  throw new RewardModelScoreError("ERR_NOT_SUPPORTED", "There is no CUDA on macOS. Leave --device out.", {
    feature: "CUDA on macOS",
  });
}

async function find(device: Device): Promise<Libtorch | undefined> {
  const { libtorch } = readEnvironment();
  try {
    const found = await findLibtorch();
    if (device !== "cuda" || (await hasCuda(found.root))) return found;
    if (libtorch === undefined) return undefined;
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `LIBTORCH names a build without CUDA, ${found.root}, and goes before whatever is fetched. Unset it, or name a CUDA build.`,
      { option: "LIBTORCH" },
    );
  } catch (error) {
    // A folder in LIBTORCH that is no good is the user's to mend: what is fetched now would never be used.
    if (RewardModelScoreError.is(error, "ERR_RUNTIME_NOT_FOUND") && !libtorch) return undefined;
    throw error;
  }
}

async function install(cache: string, options: SetupOptions): Promise<Libtorch> {
  const leftovers = (await readdir(cache)).filter((name) => name.startsWith(TEMPORARY));
  for (const name of leftovers) await rm(join(cache, name), { recursive: true });

  const temporary = await mkdtemp(join(cache, TEMPORARY));
  try {
    const complete = join(temporary, "libtorch");
    const { version, flavour, root } = await fill(complete, temporary, options);
    if (options.device === "cuda" && !(await hasCuda(join(complete, root))))
      throw withoutCuda(version, options);
    const name = `libtorch-${version.split("+")[0]}-${flavour}`;
    // What is there is incomplete, or it would have been found.
    await rm(join(cache, name), { recursive: true, force: true });
    await rename(complete, join(cache, name));
    const installed = join(cache, name, root);
    options.log?.(`libtorch ${version} is in ${installed}`);
    return { root: installed, version, source: "cache" };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const TEMPORARY = ".setup-";

function withoutCuda(version: string, { offline }: SetupOptions): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${offline ?? "What pip fetched"} is torch ${version} without CUDA. Name a package index that has it ` +
      `(PIP_INDEX_URL=https://download.pytorch.org/whl/cu130), or give setup a CUDA libtorch zip with --offline.`,
    { feature: "setup --device cuda" },
  );
}

/** What was put into a folder; `root` is where libtorch is below it. */
interface Filled {
  version: string;
  flavour: string;
  root: string;
}

async function fill(folder: string, temporary: string, options: SetupOptions): Promise<Filled> {
  const { device = "cpu", signal, log, onProgress } = options;
  if (options.offline !== undefined) return unpack(resolve(options.offline), folder, options);
  await requireSpace(temporary, SPACE_NEEDED[device]);
  const url = await reachableUrl(options);
  if (url !== undefined) {
    log?.(`Fetching ${url}`);
    const onBytes = (bytes: number, total: number | undefined) => onProgress?.("download", bytes, total);
    return unpack(await downloadFile(url, temporary, { signal, onProgress: onBytes }), folder, options);
  }
  const what =
    device === "cuda"
      ? `torch ${LIBTORCH_VERSION} and CUDA's libraries`
      : `the wheel of torch ${LIBTORCH_VERSION}`;
  log?.(`Fetching ${what} with pip: PyTorch's download site cannot be used from here`);
  if (device === "cpu") return unpack(await downloadWheel(temporary, signal), folder, options);
  await installWheels(folder, temporary, signal);
  return keepLibraries(folder);
}

async function reachableUrl({
  device = "cpu",
  signal,
  ...options
}: SetupOptions): Promise<string | undefined> {
  const url = "url" in options ? options.url : downloadUrl(device);
  return url !== undefined && (await isReachable(url, signal)) ? url : undefined;
}

async function unpack(
  file: string,
  folder: string,
  { signal, log, onProgress }: SetupOptions,
): Promise<Filled> {
  const archive = await openArchive(file);
  try {
    await requireSpace(resolve(folder, ".."), archive.size);
    log?.(`Unpacking libtorch ${archive.version} and checking it`);
    await archive.unpack(folder, {
      signal,
      onProgress: (bytes) => onProgress?.("unpack", bytes, archive.size),
    });
    return { version: archive.version, flavour: archive.flavour, root: "" };
  } finally {
    archive.close();
  }
}

/** Of packages that pip installed for Python: torch's libraries and headers, and CUDA's beside it. */
async function keepLibraries(folder: string): Promise<Filled> {
  const torch = join(folder, "torch");
  const python = (await readText(join(torch, "version.py"))) ?? "";
  const version = pythonVersion(python) ?? "unknown";
  const remove = async (parent: string, keep: string[]) => {
    const names = (await readdir(parent)).filter((name) => !keep.includes(name));
    for (const name of names) await rm(join(parent, name), { recursive: true });
  };
  await remove(folder, ["torch", "nvidia"]);
  await remove(torch, ["lib", "include", "version.py"]);
  return { version, flavour: flavourOf(version, python), root: "torch" };
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
          `by itself, that of a virtual environment with LIBTORCH=…/site-packages/torch. "setup --device cuda" fetches ` +
          `them too. Or give setup a libtorch zip with --offline, or the wheel of the CPU build.`,
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
    await makeFolder(cache);
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
