import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { openRegularFileSync } from "../io/regular-file.js";

/** The release that the addon is built for. C++ symbols change between minor versions, not between patches. */
export const LIBTORCH_VERSION = "2.13.0";
export const LIBTORCH_SERIES = minor(LIBTORCH_VERSION);

export function isPinnedVersion(version: string): boolean {
  return minor(version) === LIBTORCH_SERIES;
}

/** ERR_RUNTIME_VERSION unless the version fits or the environment says to take it anyway. */
export function checkVersion(root: string, version: string): void {
  if (isPinnedVersion(version) || readEnvironment().skipVersionCheck) return;
  throw new RewardModelScoreError(
    "ERR_RUNTIME_VERSION",
    `The libtorch in ${root} is version ${version}, but this package is built for ${LIBTORCH_SERIES}. Run ` +
      `"npx reward-model-score setup" for a fitting one, or set REWARD_MODEL_SCORE_SKIP_VERSION_CHECK=1 to try it anyway.`,
    { found: version, expected: LIBTORCH_SERIES },
  );
}

/**
 * "2.13.0+cpu" of a libtorch folder or a Python torch package; undefined where no file tells.
 *
 * `build-version` is in a libtorch download, `version.py` in a Python package, the header wherever there are headers.
 */
export function readVersion(root: string): string | undefined {
  const download = readText(join(root, "build-version"));
  if (download) return download.trim();
  const python = readText(join(root, "version.py"));
  if (python) return pythonVersion(python);
  return headerVersion(readText(join(root, "include/torch/headeronly/version.h")) ?? "");
}

/** The version in the text of torch/version.py. */
export function pythonVersion(text: string): string | undefined {
  return /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
}

function headerVersion(text: string): string | undefined {
  const part = (name: string) => new RegExp(`^#define TORCH_VERSION_${name} (\\d+)`, "m").exec(text)?.[1];
  const parts = ["MAJOR", "MINOR", "PATCH"].map(part);
  return parts.includes(undefined) ? undefined : parts.join(".");
}

function minor(version: string): string {
  return version.split(".", 2).join(".");
}

function readText(path: string): string | undefined {
  try {
    const file = openRegularFileSync(path);
    try {
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
