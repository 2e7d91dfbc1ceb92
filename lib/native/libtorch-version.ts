import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";

/** The release that the addon is built for. C++ symbols change between minor versions, not between patches. */
export const LIBTORCH_VERSION = "2.13.0";

/** What the files beside `lib/` say: `build-version` in a libtorch download, `version.py` in a Python package. */
export function readLibtorchVersion(libtorch: string): string | undefined {
  const download = join(libtorch, "build-version");
  if (existsSync(download)) return readFileSync(download, "utf8").trim();
  const python = join(libtorch, "version.py");
  if (!existsSync(python)) return undefined;
  return /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(readFileSync(python, "utf8"))?.[1];
}

export function checkLibtorchVersion(found: string, libtorch: string): void {
  if (minor(found) === minor(LIBTORCH_VERSION) || readEnvironment().skipVersionCheck) return;
  throw new RewardModelScoreError(
    "ERR_RUNTIME_VERSION",
    `The libtorch in ${libtorch} is version ${found}, but this package is built for ${LIBTORCH_VERSION}. Run ` +
      `"npx reward-model-score setup" for a fitting one, or set REWARD_MODEL_SCORE_SKIP_VERSION_CHECK=1 to try it anyway.`,
    { found, expected: LIBTORCH_VERSION },
  );
}

function minor(version: string): string {
  return version.split(".", 2).join(".");
}
