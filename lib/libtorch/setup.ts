import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, lstat, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { readEnvironment } from "../env.js";
import { makeFolder } from "../io/make-folder.js";
import { RewardModelScoreError } from "../errors.js";
import { requireSpace, writeError } from "../io/disk.js";
import { FileLock } from "../io/file-lock.js";
import { formatBytes } from "../io/format.js";
import { readText } from "../io/regular-file.js";
import { flavourOf, LibtorchArchive } from "./archive.js";
import { type Device, downloadArchive, downloadWheel, installWheels, isReachable } from "./download.js";
import { findCached, findLibtorch, hasCuda, hasHeaders, hasLibraries, type Libtorch } from "./find.js";
import { PUBLISHED, type Published, type PublishedFile } from "./published.js";
import { isPinnedVersion, LIBTORCH_SERIES, LIBTORCH_VERSION, pythonVersion, readVersion } from "./version.js";

export interface SetupOptions {
  /** What to compute on: `"cuda"` asks for a CUDA build; any build will do for the default, `"cpu"`. */
  device?: Device | undefined;
  /** With the headers that building the addon takes. */
  headers?: boolean | undefined;
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
  /** What is fetched and believed. */
  published?: Published;
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
  const { device = "cpu", headers = false } = options;
  if (options.libtorch !== undefined) return link(options.libtorch, cache, options);
  requireBuild(device);
  const fits = async (root: string) =>
    (await (device === "cuda" ? hasCuda : hasLibraries)(root)) && (!headers || (await hasHeaders(root)));
  const cached = () => findCached(cache, fits);
  const found = options.offline === undefined ? await find(device, fits) : await cached();
  if (found) {
    options.log?.(`libtorch ${found.version ?? ""} is there: ${found.root}`);
    return found;
  }
  if (options.dryRun) {
    const command = device === "cuda" ? "pip install --target" : "pip download";
    const source =
      options.offline ?? (await reachable(options))?.url ?? `${command} torch==${LIBTORCH_VERSION}`;
    options.log?.(
      `Would fetch libtorch from ${source} into ${cache} (about ${formatBytes(SPACE_NEEDED[device])} of disk)`,
    );
    return undefined;
  }

  await makeFolder(cache).catch((error: unknown) => Promise.reject(writeError(error, cache) as Error));
  try {
    const { signal, log } = options;
    const waiting = () => log?.("Another setup is running; waiting for it");
    const lock = await FileLock.acquire(join(cache, ".setup.lock"), signal, { onWait: waiting });
    try {
      // Whoever held the lock before may have done the work.
      return (await cached()) ?? (await install(cache, options));
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw writeError(error, cache);
  }
}

function requireBuild(device: Device): void {
  if (device !== "cuda" || process.platform !== "darwin") return;
  throw new RewardModelScoreError("ERR_NOT_SUPPORTED", "There is no CUDA on macOS. Leave --device out.", {
    feature: "CUDA on macOS",
  });
}

async function find(device: Device, fits: (root: string) => Promise<boolean>): Promise<Libtorch | undefined> {
  const { libtorch } = readEnvironment();
  try {
    const found = await findLibtorch();
    if (await fits(found.root)) return found;
    if (libtorch === undefined) return undefined;
    const [lacks, better] =
      device === "cuda" ? ["CUDA", "a CUDA build"] : ["headers", "one that has include/"];
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `LIBTORCH names a build without ${lacks}, ${found.root}, and goes before whatever is fetched. Unset it, or name ${better}.`,
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
/** Where a download is until it is unpacked; what an earlier attempt left there is gone on with. */
const DOWNLOADS = ".downloads";

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
  const { device = "cpu", signal, log, onProgress, published = PUBLISHED } = options;
  if (options.offline !== undefined) return unpack(resolve(options.offline), folder, options, tellSum);
  await requireSpace(temporary, SPACE_NEEDED[device]);
  const onBytes = (bytes: number, total: number | undefined) => onProgress?.("download", bytes, total);
  const download = { signal, onProgress: onBytes };
  const archive = await reachable(options);
  if (archive !== undefined) {
    log?.(`Fetching ${archive.url}`);
    // Not in the temporary folder: what arrived is there for the next attempt.
    const downloads = join(temporary, "..", DOWNLOADS);
    await makeFolder(downloads);
    const filled = await unpack(await downloadArchive(archive, downloads, download), folder, options);
    await rm(downloads, { recursive: true });
    return filled;
  }
  const what =
    device === "cuda"
      ? `torch ${LIBTORCH_VERSION} and CUDA's libraries`
      : `the wheel of torch ${LIBTORCH_VERSION}`;
  log?.(`Fetching ${what} with pip; it says little while it does`);
  if (device === "cpu") {
    const wheel = await downloadWheel(temporary, download);
    return unpack(wheel, folder, options, (file) => requireSum(file, published));
  }
  log?.("What pip installs for CUDA is checked by pip alone, with the sums that its index gives");
  await installWheels(folder, temporary, download);
  return keepLibraries(folder, options.headers ?? false);
}

/**
 * PyTorch's own download, if it can be had. Not for CUDA: its zip leaves out NVIDIA's libraries, which pip brings along.
 */
async function reachable({
  device = "cpu",
  signal,
  log,
  published = PUBLISHED,
}: SetupOptions): Promise<PublishedFile | undefined> {
  const { archive } = published;
  if (archive === undefined || device === "cuda") return undefined;
  if (await isReachable(archive.url, signal)) return archive;
  log?.("PyTorch's download site cannot be used from here");
  return undefined;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Whatever pip's index serves is believed only if it is what was published. */
async function requireSum(file: string, { wheels }: Published): Promise<void> {
  const sum = await sha256Of(file);
  if (Object.values(wheels).includes(sum)) return;
  const name = basename(file);
  throw new RewardModelScoreError(
    "ERR_CHECKSUM",
    `pip fetched ${name}, whose sha256 ${sum} is that of no wheel of torch ${LIBTORCH_VERSION} that this package ` +
      `knows. If you trust the package index that it comes from, fetch it yourself ("python3 -m pip download ` +
      `--no-deps torch==${LIBTORCH_VERSION}") and give it to setup with --offline ${name}.`,
    { path: name },
  );
}

/** A file that the user names is the user's choice; what is known of it is said. */
async function tellSum(file: string, { log, published = PUBLISHED }: SetupOptions): Promise<void> {
  const sum = await sha256Of(file);
  const { archive, wheels } = published;
  const known = sum === archive?.sha256 || Object.values(wheels).includes(sum);
  log?.(
    known
      ? `The sha256 of ${file} is the published one`
      : `The sha256 of ${file}, ${sum}, is not among those that this package knows: compare it with where you have it from`,
  );
}

async function unpack(
  file: string,
  folder: string,
  options: SetupOptions,
  check?: (file: string, options: SetupOptions) => Promise<void>,
): Promise<Filled> {
  const { signal, log, onProgress, headers = false } = options;
  const archive = await openArchive(file, headers);
  try {
    await check?.(file, options);
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

/** Of packages that pip installed for Python: torch's libraries and, if wanted, headers, and CUDA's beside it. */
async function keepLibraries(folder: string, headers: boolean): Promise<Filled> {
  const torch = join(folder, "torch");
  const python = (await readText(join(torch, "version.py"))) ?? "";
  const version = pythonVersion(python) ?? "unknown";
  const remove = async (parent: string, keep: string[]) => {
    const names = (await readdir(parent)).filter((name) => !keep.includes(name));
    for (const name of names) await rm(join(parent, name), { recursive: true });
  };
  await remove(folder, ["torch", "nvidia"]);
  await remove(torch, ["lib", ...(headers ? ["include"] : []), "version.py"]);
  return { version, flavour: flavourOf(version, python), root: "torch" };
}

/** Opens an archive that this package can use, or says why it cannot. */
async function openArchive(file: string, headers: boolean): Promise<LibtorchArchive> {
  await access(file).catch((cause: unknown) => {
    throw new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `${file} does not exist or cannot be read.`,
      { path: file },
      { cause },
    );
  });
  const archive = await LibtorchArchive.open(file, headers);
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
