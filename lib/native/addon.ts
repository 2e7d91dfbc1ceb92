import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { packageVersion } from "../version.js";
import { requireGlibc } from "./glibc.js";
import { packagedPlatforms, type PackagedFile, requirePackaged } from "./platform-packages.cjs";

const require = createRequire(import.meta.url);

/** "linux-x64", "darwin-arm64", …: the platform packages are named like this. */
export const platform = `${process.platform}-${process.arch}`;
const packageName = `@reward-model-score/${platform}`;

export interface Addon {
  /** The folder of its files, for people to look at. */
  folder: string;
  /** loader.node, which needs no libtorch. */
  loader(): unknown;
  /** engine.node, which needs libtorch to be in the process. */
  engine(): unknown;
}

/** The addon in the folder that the environment names, else that of the platform package, else that of a local build. */
export function findAddon(): Addon {
  const { addon } = readEnvironment();
  if (addon !== undefined) return inFolder(addon) ?? missingIn(addon, "unset REWARD_MODEL_SCORE_ADDON");
  const local = fileURLToPath(new URL("../../build/Release", import.meta.url));
  return inPackage() ?? inFolder(local) ?? missing(local);
}

function inFolder(folder: string): Addon | undefined {
  // Opening a named pipe would wait for somebody who writes to it.
  const isFile = (file: string) => statSync(join(folder, file), { throwIfNoEntry: false })?.isFile() ?? false;
  if (!["loader.node", "engine.node"].every(isFile)) return undefined;
  const load = (file: string) => require(join(folder, file)) as unknown;
  return { folder, loader: () => load("loader.node"), engine: () => load("engine.node") };
}

function inPackage(): Addon | undefined {
  const manifest = requirePackaged(platform, "package.json") as { version: string } | undefined;
  if (manifest === undefined) return undefined;
  const version = packageVersion();
  if (manifest.version !== version) {
    throw new RewardModelScoreError(
      "ERR_ADDON",
      `${packageName} is version ${manifest.version}, but reward-model-score is ${version}, and they belong together. ` +
        `Run "npm install ${packageName}@${version}".`,
      {},
    );
  }
  const folder = dirname(require.resolve(`${packageName}/package.json`));
  const load = (file: PackagedFile) =>
    requirePackaged(platform, file) ?? missingIn(folder, `install ${packageName} again`);
  return { folder, loader: () => load("loader.node"), engine: () => load("engine.node") };
}

function missingIn(folder: string, remedy: string): never {
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `${folder} lacks loader.node or engine.node: build or copy them there, or ${remedy}.`,
    { path: folder },
  );
}

function missing(local: string): never {
  requireGlibc();
  const install = packagedPlatforms.includes(platform)
    ? `The package ${packageName} is not installed: npm leaves it out with --omit=optional, and some versions do when ` +
      `the lock file was made on another system. Run "npm install ${packageName}@${packageVersion()}".`
    : `It has no prebuilt one. Build it from a clone of the repository, as docs/install.md says.`;
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `No addon for ${platform}, and no local build in ${local}. ${install}`,
    {
      path: local,
    },
  );
}
