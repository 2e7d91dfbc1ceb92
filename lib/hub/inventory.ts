import { lstat, readdir, readlink, rm, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { readError, writeError } from "../io/disk.js";
import { exists } from "../io/exists.js";
import { readText } from "../io/regular-file.js";
import { RepositoryCache } from "./cache.js";
import { CACHE_REMEDIES } from "./errors.js";
import { Hasher } from "../download/hasher.js";
import { isCommit, isModelId, isObjectId, requireModelId } from "./names.js";

export interface CachedRevision {
  commit: string;
  /** Branches and tags that were at this commit when they were last downloaded. */
  refs: string[];
  files: number;
  /** Bytes of its files; revisions may share them. */
  size: number;
}

export interface CachedModel {
  model: string;
  folder: string;
  /** Bytes on the disk, also of downloads that have not ended. */
  size: number;
  revisions: CachedRevision[];
}

/** A file of the cache that is not what its name says. */
export interface Damage {
  model: string;
  path: string;
  problem: "missing" | "damaged";
}

export interface Verification {
  files: number;
  damage: Damage[];
  /** Files whose hash is written nowhere: snapshots without links and without a listing. */
  unknown: string[];
}

/** The models in the cache, whichever client put them there. */
export async function listCache(cacheDir: string): Promise<CachedModel[]> {
  const names = await readdir(cacheDir).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // nothing was downloaded yet
    throw readError(error, cacheDir, "a folder");
  });
  const models: CachedModel[] = [];
  for (const name of names.sort()) {
    const model = name.startsWith("models--") ? name.slice("models--".length).replace("--", "/") : "";
    if (isModelId(model)) models.push(await describe(new RepositoryCache(cacheDir, model)));
  }
  return models;
}

async function describe(cache: RepositoryCache): Promise<CachedModel> {
  const refs = await readRefs(cache);
  const revisions: CachedRevision[] = [];
  for (const commit of await commitsOf(cache)) {
    const files = await cache.filesOf(commit);
    const size = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
    const here = [...refs].filter(([, at]) => at === commit).map(([ref]) => ref);
    revisions.push({ commit, refs: here, files: files.size, size });
  }
  return { model: cache.model, folder: cache.folder, size: await bytesBelow(cache.folder), revisions };
}

/** Hashes what the cache holds. A blob's name is its hash; where there are no blobs, a listing may know it. */
export async function verifyCache(
  cacheDir: string,
  options: {
    model?: string | undefined;
    removeDamaged?: boolean | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<Verification> {
  if (options.model !== undefined) requireModelId(options.model);
  const result: Verification = { files: 0, damage: [], unknown: [] };
  await using hasher = new Hasher();
  const models =
    options.model === undefined ? (await listCache(cacheDir)).map(({ model }) => model) : [options.model];
  for (const model of models) {
    const cache = new RepositoryCache(cacheDir, model);
    if (!(await exists(cache.folder))) throw notCached(model, cacheDir);
    for (const { path, oid } of await hashedFiles(cache, result)) {
      options.signal?.throwIfAborted();
      const found = await stat(path).catch(() => undefined);
      result.files += 1;
      if (found?.isFile() && (await hasher.hash(path, found.size, oid)) === oid) continue;
      result.damage.push({ model, path, problem: found ? "damaged" : "missing" });
      if (options.removeDamaged) await remove(path);
    }
  }
  return result;
}

/** Files whose hash is known, each content once. */
async function hashedFiles(
  cache: RepositoryCache,
  result: Verification,
): Promise<{ path: string; oid: string }[]> {
  const blobs = (await readdir(cache.blobs).catch(() => [])).filter(isObjectId);
  const files = blobs.map((oid) => ({ path: cache.blob(oid), oid }));
  for (const commit of await commitsOf(cache)) {
    const tree = new Map((await cache.treeOf(commit))?.map((file) => [file.path, file.oid]));
    for (const { path, link } of await entriesBelow(cache.snapshot(commit))) {
      const absolute = join(cache.snapshot(commit), path);
      if (link) {
        if (!(await exists(absolute)))
          result.damage.push({ model: cache.model, path: absolute, problem: "missing" });
        continue; // its blob is among the files
      }
      const oid = tree.get(path);
      if (oid === undefined) result.unknown.push(absolute);
      else files.push({ path: absolute, oid });
    }
  }
  return files;
}

/** Removes a model, or one revision of it with the blobs that no other one uses. Returns the bytes that this freed. */
export async function removeFromCache(cacheDir: string, model: string, revision?: string): Promise<number> {
  requireModelId(model);
  const cache = new RepositoryCache(cacheDir, model);
  if (!(await exists(cache.folder))) throw notCached(model, cacheDir);
  const before = await bytesBelow(cache.folder);
  const commit = revision === undefined ? undefined : await cache.commitOf(revision);
  const all = await commitsOf(cache);
  if (revision !== undefined && (commit === undefined || !all.includes(commit)))
    throw notCached(model, cacheDir, revision);
  const others = all.filter((one) => revision !== undefined && one !== commit);
  if (others.length === 0) {
    await remove(cache.folder);
    await remove(cache.locks);
    return before;
  }
  // The branch first, so that it never leads to half a snapshot.
  for (const [ref, at] of await readRefs(cache))
    if (at === commit) await remove(join(cache.folder, "refs", ref));
  await remove(cache.snapshot(commit!));
  const used = new Set<string>();
  for (const other of others) {
    for (const { target } of await entriesBelow(cache.snapshot(other))) used.add(target);
  }
  for (const name of await readdir(cache.blobs).catch(() => [])) {
    if (isObjectId(name) && !used.has(cache.blob(name))) await remove(cache.blob(name));
  }
  return before - (await bytesBelow(cache.folder));
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    throw writeError(error, path, CACHE_REMEDIES);
  });
}

function notCached(model: string, cacheDir: string, revision?: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_FOUND",
    `${revision === undefined ? model : `Revision "${revision}" of ${model}`} is not in the cache ${cacheDir}. ` +
      `"reward-model-score cache list" shows what is.`,
    { path: cacheDir },
  );
}

async function commitsOf(cache: RepositoryCache): Promise<string[]> {
  return (await readdir(join(cache.folder, "snapshots")).catch(() => [])).filter(isCommit).sort();
}

async function readRefs(cache: RepositoryCache): Promise<Map<string, string>> {
  const root = join(cache.folder, "refs");
  const refs = new Map<string, string>();
  for (const { path } of await entriesBelow(root)) {
    const commit = await readText(join(root, path)).catch(() => undefined); // what is no file names no commit
    if (commit !== undefined) refs.set(path, commit.trim());
  }
  return refs;
}

/** Files and links below a folder. `target` is the file itself, or what the link names. */
async function entriesBelow(root: string): Promise<{ path: string; link: boolean; target: string }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const result = [];
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const absolute = join(entry.parentPath, entry.name);
    const link = entry.isSymbolicLink();
    const target = link ? join(dirname(absolute), await readlink(absolute).catch(() => "")) : absolute;
    result.push({
      path: absolute
        .slice(root.length + 1)
        .split(sep)
        .join("/"),
      link,
      target,
    });
  }
  return result;
}

async function bytesBelow(root: string): Promise<number> {
  let bytes = 0;
  for (const { path } of await entriesBelow(root))
    bytes += (await lstat(join(root, path)).catch(() => undefined))?.size ?? 0;
  return bytes;
}
