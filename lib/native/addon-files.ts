import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RewardModelScoreError } from "../errors.js";

const require = createRequire(import.meta.url);

/** "linux-x64", "darwin-arm64", …: the platform packages are named like this. */
export const platform = `${process.platform}-${process.arch}`;

export interface AddonFiles {
  loader: string;
  engine: string;
}

/** The platform package's files, else those of a local build. */
export function findAddonFiles(): AddonFiles {
  const local = fileURLToPath(new URL("../../build/Release", import.meta.url));
  const folder = [platformPackage(), local].find(
    (folder) => folder !== undefined && existsSync(join(folder, "engine.node")),
  );
  if (folder !== undefined)
    return { loader: join(folder, "loader.node"), engine: join(folder, "engine.node") };
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `No addon for ${platform}: the package @reward-model-score/${platform} is not installed and ${local} has none. Run ` +
      `"npm install @reward-model-score/${platform}", or "npm run build:native" in a clone of the repository.`,
    { path: local },
  );
}

function platformPackage(): string | undefined {
  try {
    return dirname(require.resolve(`@reward-model-score/${platform}/package.json`));
  } catch {
    return undefined;
  }
}
