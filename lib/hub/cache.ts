import { randomUUID } from "node:crypto";
import { copyFile, readdir, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { makeFolder } from "../io/make-folder.js";
import { readText } from "../io/regular-file.js";
import { isRelativeName } from "../io/relative-name.js";
import type { RepositoryFile } from "./api.js";
import { isCommit, isObjectId } from "./names.js";

/**
 * One model in the cache, in the layout of Python's `huggingface_hub`:
 *
 *     models--owner--name/refs/main                    the commit that the branch was last seen at
 *     models--owner--name/blobs/<oid>                  the files' contents, under their hashes
 *     models--owner--name/snapshots/<commit>/<path>    relative links to blobs, or the files where links cannot be made
 *     models--owner--name/trees/<commit>.json          the repository's listing (read when Python wrote one)
 */
export class RepositoryCache {
  readonly folder: string;
  readonly blobs: string;
  readonly locks: string;

  constructor(
    readonly cacheDir: string,
    readonly model: string,
    /** Whether links may be made where they can. */
    private readonly symlinks = true,
  ) {
    const name = repositoryFolder(model);
    this.folder = join(cacheDir, name);
    this.blobs = join(this.folder, "blobs");
    this.locks = join(cacheDir, ".locks", name);
  }

  blob(oid: string): string {
    return join(this.blobs, oid);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit of a branch or tag when it was last downloaded; a commit is its own. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readIfThere(join(this.folder, "refs", revision));
    const commit = text?.trim();
    return commit !== undefined && isCommit(commit) ? commit : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = join(this.folder, "refs", revision);
    await makeFolder(dirname(path));
    await replaceFile(path, (temporary) => writeFile(temporary, commit));
  }

  /** Files of a snapshot that are there, with their sizes; links that lead nowhere are left out. */
  async filesOf(commit: string): Promise<Map<string, number>> {
    const root = this.snapshot(commit);
    const names = await readdir(root, { recursive: true }).catch(() => []);
    const files = new Map<string, number>();
    for (const name of names) {
      const found = await stat(join(root, name)).catch(() => undefined);
      if (found?.isFile()) files.set(name.split(sep).join("/"), found.size);
    }
    return files;
  }

  /** The listing that `huggingface_hub` keeps beside a snapshot, if it did. */
  async treeOf(commit: string): Promise<RepositoryFile[] | undefined> {
    const text = await readIfThere(join(this.folder, "trees", `${commit}.json`));
    if (text === undefined) return undefined;
    try {
      return parseTree(text);
    } catch {
      return undefined; // another version's, or damaged: the Hub can be asked again
    }
  }

  /** Whether the snapshot has the file, by its size: contents were verified before they got their name. */
  async has(commit: string, file: RepositoryFile): Promise<boolean> {
    const found = await stat(join(this.snapshot(commit), file.path)).catch(() => undefined);
    return found?.isFile() === true && found.size === file.size;
  }

  /**
   * Puts verified blobs into a snapshot, in this order: as relative links, or, where links cannot be made, by moving
   * them there, as `huggingface_hub` does.
   */
  async link(commit: string, files: readonly RepositoryFile[]): Promise<void> {
    const symlinks = this.symlinks && (await canSymlink(this.folder));
    const moved = new Map<string, string>();
    for (const file of files) {
      const pointer = join(this.snapshot(commit), file.path);
      const blob = this.blob(file.oid);
      await makeFolder(dirname(pointer));
      if (symlinks) {
        const target = relative(dirname(pointer), blob);
        if ((await readlink(pointer).catch(() => undefined)) === target) continue;
        await replaceFile(pointer, (temporary) => symlink(target, temporary));
        continue;
      }
      const twin = moved.get(file.oid); // a content with two names
      if (!(await this.has(commit, file))) {
        await (twin === undefined ? rename(blob, pointer) : replaceFile(pointer, (to) => copyFile(twin, to)));
      }
      moved.set(file.oid, pointer);
    }
  }
}

export function repositoryFolder(model: string): string {
  return `models--${model.replaceAll("/", "--")}`;
}

/** Whether this folder can hold symbolic links: Windows without developer mode and some network drives cannot. */
async function canSymlink(folder: string): Promise<boolean> {
  const probe = join(folder, `.symlink-${randomUUID()}`);
  try {
    await symlink("nowhere", probe);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { force: true });
  }
}

/** Writes beside and renames, so that nobody ever sees half of it. */
async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readText(path).catch(() => undefined);
}

function parseTree(text: string): RepositoryFile[] | undefined {
  const tree = JSON.parse(text) as {
    format_version: number;
    files: Record<string, { size: number; blob_id: string; lfs_sha256?: string; lfs_size?: number }>;
  };
  if (tree.format_version !== 1) return undefined;
  const files = Object.entries(tree.files).map(([path, entry]) => ({
    path,
    size: entry.lfs_size ?? entry.size,
    oid: entry.lfs_sha256 ?? entry.blob_id,
  }));
  const sound = files.every((file) => isRelativeName(file.path) && isObjectId(file.oid) && file.size >= 0);
  return sound ? files : undefined;
}
