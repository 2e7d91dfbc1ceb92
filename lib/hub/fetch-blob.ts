import { stat } from "node:fs/promises";
import { join } from "node:path";
import { downloadFile, type DownloadContext } from "../download/download-file.js";
import { PartialFile } from "../download/partial-file.js";
import { makeFolder } from "../io/make-folder.js";
import type { RepositoryFile } from "./api.js";
import type { RepositoryCache } from "./cache.js";
import { CACHE_REMEDIES } from "./errors.js";
import { writeError } from "../io/disk.js";
import { FileLock } from "../io/file-lock.js";
import type { Source } from "../download/source.js";

export interface BlobContext extends DownloadContext {
  cache: RepositoryCache;
  commit: string;
  sourceOf: (file: RepositoryFile) => Source;
}

/**
 * Brings one blob into the cache, unless it is there: under a lock, from where an earlier attempt stopped, and under
 * its name only when its hash is right.
 */
export async function fetchBlob(context: BlobContext, file: RepositoryFile): Promise<void> {
  const { cache, progress, signal } = context;
  const blob = cache.blob(file.oid);
  try {
    if (await isThere(context, file)) {
      progress.add(file.path, file.size);
      // Whoever may not write here does not miss it.
      await PartialFile.tidy(blob).catch(() => {});
      return;
    }
    const lock = await FileLock.acquire(join(cache.locks, `${file.oid}.ranges.lock`), signal);
    try {
      if (await isThere(context, file)) {
        progress.add(file.path, file.size); // another process was faster
        return;
      }
      await makeFolder(cache.blobs);
      await downloadFile(context, context.sourceOf(file), file, blob);
    } finally {
      await lock.release();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw writeError(error, blob, CACHE_REMEDIES);
  }
}

async function isThere({ cache, commit }: BlobContext, file: RepositoryFile): Promise<boolean> {
  const found = await stat(cache.blob(file.oid)).catch(() => undefined);
  if (found?.isFile() && found.size === file.size) return true;
  return await cache.has(commit, file); // where the snapshots hold the files themselves
}
