import { mkdir, statfs } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";

/** Makes sure that the cache's disk has room before the first byte is fetched. */
export async function requireSpace(folder: string, needed: number): Promise<void> {
  if (needed === 0) return;
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const available = bavail * bsize;
  if (needed <= available) return;
  throw new RewardModelScoreError(
    "ERR_DISK_FULL",
    `The download needs ${gigabytes(needed)} and ${folder} has ${gigabytes(available)} left. ` +
      `Free some ("reward-model-score cache list"), or choose another folder with cacheDir or HF_HUB_CACHE.`,
    { path: folder, needed, available },
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
