import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";

const require = createRequire(import.meta.url);

/** "linux-x64", "darwin-arm64", …: the platform packages are named like this. */
export const platform = `${process.platform}-${process.arch}`;

export interface AddonFiles {
  loader: string;
  engine: string;
}

/** The files of the folder in `REWARD_MODEL_SCORE_ADDON` if it is set, else the platform package's, else a local build's. */
export function findAddonFiles(): AddonFiles {
  const { addon } = readEnvironment();
  if (addon !== undefined) {
    const files = filesIn(addon);
    if (files !== undefined) return files;
    throw new RewardModelScoreError(
      "ERR_ADDON",
      `The folder in REWARD_MODEL_SCORE_ADDON, ${addon}, has no engine.node. Name the one that a build made, or unset it.`,
      { path: addon },
    );
  }
  const local = fileURLToPath(new URL("../../build/Release", import.meta.url));
  const files = filesIn(platformPackage()) ?? filesIn(local);
  if (files !== undefined) return files;
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `No addon for ${platform}: the package @reward-model-score/${platform} is not installed and ${local} has none. Run ` +
      `"npm install @reward-model-score/${platform}", or "npm run build:native" in a clone of the repository.`,
    { path: local },
  );
}

function filesIn(folder: string | undefined): AddonFiles | undefined {
  if (folder === undefined || !existsSync(join(folder, "engine.node"))) return undefined;
  return { loader: join(folder, "loader.node"), engine: join(folder, "engine.node") };
}

function platformPackage(): string | undefined {
  try {
    return dirname(require.resolve(`@reward-model-score/${platform}/package.json`));
  } catch {
    return undefined;
  }
}
