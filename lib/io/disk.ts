import { statfs } from "node:fs/promises";
import { makeFolder } from "./make-folder.js";
import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "./format.js";

/** What helps where something cannot be written. */
export interface WriteRemedies {
  /** The disk is full. */
  full: string;
  /** Anything else: no permission, a file in a folder's place, links that lead in a circle. */
  other: string;
}

const REMEDIES: WriteRemedies = {
  full: "Free some.",
  other: "Check its permissions, and that no file or link is in a folder's place.",
};

/**
 * Makes a folder, and throws ERR_DISK_FULL when its file system has less than `needed` bytes free for this user, ERR_IO
 * when it cannot be made.
 */
export async function requireSpace(directory: string, needed: number, remedies = REMEDIES): Promise<void> {
  let available: number;
  try {
    await makeFolder(directory);
    const { bavail, bsize } = await statfs(directory);
    available = bavail * bsize;
  } catch (error) {
    throw writeError(error, directory, remedies);
  }
  if (available >= needed) return;
  throw new RewardModelScoreError(
    "ERR_DISK_FULL",
    `${directory} has ${formatBytes(available)} free, but ${formatBytes(needed)} are needed. ${remedies.full}`,
    { path: directory, needed, available },
  );
}

/** An error of the file system while something was written, as this package's error. */
export function writeError(error: unknown, path: string, remedies = REMEDIES): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const full = "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return full
    ? new RewardModelScoreError(
        "ERR_DISK_FULL",
        `The disk is full: ${path} cannot be written. ${remedies.full}`,
        { path },
        { cause: error },
      )
    : new RewardModelScoreError(
        "ERR_IO",
        `${path} cannot be written: ${error.message}. ${remedies.other}`,
        { path },
        { cause: error },
      );
}

/** An error of the file system while something was read, as this package's error. */
export function readError(error: unknown, path: string, kind: "a file" | "a folder" = "a file"): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  return new RewardModelScoreError(
    "ERR_IO",
    `${path} cannot be read: ${error.message}. Check its permissions, and that it is ${kind}.`,
    { path },
    { cause: error },
  );
}
