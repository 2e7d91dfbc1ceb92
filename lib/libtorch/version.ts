import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";

/** The libtorch that the addon is built for. Its C++ ABI holds within a minor version. */
export const LIBTORCH_VERSION = "2.13.0";
export const LIBTORCH_SERIES = LIBTORCH_VERSION.split(".").slice(0, 2).join(".");

export function isPinnedVersion(version: string): boolean {
  return version.startsWith(`${LIBTORCH_SERIES}.`);
}

/** ERR_RUNTIME_VERSION unless the version fits or the environment says to take it anyway. */
export function checkVersion(root: string, version: string): void {
  if (isPinnedVersion(version) || readEnvironment().skipVersionCheck) return;
  throw new RewardModelScoreError(
    "ERR_RUNTIME_VERSION",
    `${root} holds libtorch ${version}, but this build needs ${LIBTORCH_SERIES}.x, because C++ interfaces change ` +
      `between minor versions. Name another folder, or run "npx reward-model-score setup". ` +
      `REWARD_MODEL_SCORE_SKIP_VERSION_CHECK=1 tries it anyway.`,
    { found: version, expected: `${LIBTORCH_SERIES}.x` },
  );
}

/** "2.13.0+cpu" of a libtorch folder or of a Python torch package; "unknown" if nothing there tells. */
export async function readVersion(root: string): Promise<string> {
  const archive = await readText(join(root, "build-version"));
  if (archive) return archive.trim();
  const wheel = await readText(join(root, "version.py"));
  const match = wheel && pythonVersion(wheel);
  if (match) return match;
  const header = await readText(join(root, "include/torch/headeronly/version.h"));
  return (header && headerVersion(header)) || "unknown";
}

/** The version in the text of torch/version.py. */
export function pythonVersion(text: string): string | undefined {
  return /^__version__ *= *['"]([^'"]+)['"]/m.exec(text)?.[1];
}

function headerVersion(text: string): string | undefined {
  const part = (name: string) => new RegExp(`^#define TORCH_VERSION_${name} (\\d+)`, "m").exec(text)?.[1];
  const parts = ["MAJOR", "MINOR", "PATCH"].map(part);
  return parts.includes(undefined) ? undefined : parts.join(".");
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
