import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import { libraryFileName } from "./library.js";
import { findPython } from "./python.js";
import { checkVersion, isPinnedVersion, LIBTORCH_SERIES, readVersion } from "./version.js";

export interface Libtorch {
  /** The folder that holds `lib/` and, where something is to be compiled, `include/`. */
  root: string;
  /** "2.13.0+cpu"; undefined where no file tells: libtorch itself is asked when it is loaded. */
  version: string | undefined;
  source: "option" | "LIBTORCH" | "cache" | "python";
}

/**
 * The first libtorch of: the option, `LIBTORCH`, the cache that `setup` fills, Python's torch.
 *
 * A folder that somebody named is used or refused, never passed over; what is merely lying about counts only if its
 * version fits.
 */
export async function findLibtorch(option?: string): Promise<Libtorch> {
  const environment = readEnvironment();
  if (option !== undefined) return named(resolve(option), "option");
  if (environment.libtorch !== undefined) return named(environment.libtorch, "LIBTORCH");

  const searched = ["LIBTORCH (not set)"];
  const cached = await findCached(environment.cache);
  if (cached) return cached;
  searched.push(join(environment.cache, `libtorch-${LIBTORCH_SERIES}.*`));

  const python = await findPython();
  if (!python?.torch) {
    const reason = python ? `not installed for ${python.command}` : "no python3 on the PATH";
    return notFound([...searched, `Python's torch (${reason})`]);
  }
  const root = python.torch;
  const version = readVersion(root);
  if (version === undefined || (!isPinnedVersion(version) && !environment.skipVersionCheck)) {
    return notFound([
      ...searched,
      `${root} (version ${version ?? "unknown"}, but ${LIBTORCH_SERIES} is needed)`,
    ]);
  }
  if (!(await hasLibraries(root))) {
    return notFound([...searched, `${root} (has no ${library()})`]);
  }
  return { root, version, source: "python" };
}

/** The complete libtorch of the pinned version in the cache; a CUDA build goes before a CPU build. */
export async function findCached(
  cache: string,
  accepts: (root: string) => Promise<boolean> = hasLibraries,
): Promise<Libtorch | undefined> {
  const names = await readdir(cache).catch(() => []);
  const isCpu = (name: string) => Number(name.endsWith("-cpu"));
  const candidates = names
    .filter((name) => name.startsWith(`libtorch-${LIBTORCH_SERIES}.`))
    .sort((a, b) => isCpu(a) - isCpu(b) || (a < b ? 1 : -1));
  // Wheels keep their own layout, torch beside nvidia, by which their libraries find each other.
  for (const root of candidates.flatMap((name) => [join(cache, name), join(cache, name, "torch")])) {
    if (!(await accepts(root))) continue;
    const version = readVersion(root);
    if (version !== undefined && isPinnedVersion(version)) return { root, version, source: "cache" };
  }
  return undefined;
}

async function named(root: string, source: Libtorch["source"]): Promise<Libtorch> {
  if (!(await hasLibraries(root))) {
    const what = source === "option" ? "The libtorch folder that was given" : "The folder in LIBTORCH";
    throw new RewardModelScoreError(
      "ERR_RUNTIME_NOT_FOUND",
      `${what}, ${root}, has no ${library()}. Name the folder that holds "lib" ` +
        `(an unpacked libtorch, or site-packages/torch), or leave it out and run "npx reward-model-score setup".`,
      { searched: [root] },
    );
  }
  const version = readVersion(root);
  if (version !== undefined) checkVersion(root, version);
  return { root, version, source };
}

function notFound(searched: string[]): never {
  throw new RewardModelScoreError(
    "ERR_RUNTIME_NOT_FOUND",
    `No libtorch ${LIBTORCH_SERIES} was found. Searched:\n${searched.map((place) => `  - ${place}\n`).join("")}` +
      `Run "npx reward-model-score setup" to fetch it, or set LIBTORCH to a folder that holds it.`,
    { searched },
  );
}

export async function hasLibraries(root: string): Promise<boolean> {
  return exists(join(root, library()));
}

/** Whether it is a CUDA build, which computes on the CPU too. */
export async function hasCuda(root: string): Promise<boolean> {
  return exists(join(root, "lib", libraryFileName("torch_cuda")));
}

/** Whether something can be compiled with it. */
export async function hasHeaders(root: string): Promise<boolean> {
  return exists(join(root, "include", "ATen", "ATen.h"));
}

function library(): string {
  return join("lib", libraryFileName("torch_cpu"));
}
