import { mkdir, statfs } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "./format.js";

const FREE_SOME = "Free some.";

/** Makes a folder, and throws ERR_DISK_FULL when its file system has less than `needed` bytes free for this user. */
export async function requireSpace(directory: string, needed: number, remedy = FREE_SOME): Promise<void> {
  await mkdir(directory, { recursive: true });
  const { bavail, bsize } = await statfs(directory);
  const available = bavail * bsize;
  if (available >= needed) return;
  throw new RewardModelScoreError(
    "ERR_DISK_FULL",
    `${directory} has ${formatBytes(available)} free, but ${formatBytes(needed)} are needed. ${remedy}`,
    { path: directory, needed, available },
  );
}

/** An error of the file system while something was written, as this package's error. */
export function writeError(error: unknown, path: string, remedy = FREE_SOME): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const full = "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return full
    ? new RewardModelScoreError(
        "ERR_DISK_FULL",
        `The disk is full: ${path} cannot be written. ${remedy}`,
        { path },
        { cause: error },
      )
    : new RewardModelScoreError(
        "ERR_IO",
        `${path} cannot be written: ${error.message}.`,
        { path },
        { cause: error },
      );
}
