/**
 * What is in the platform packages, of which npm installs the one that fits.
 *
 * Every `require` is spelled out, in CommonJS and in a `try`: so bundlers and file tracers see the files and accept that
 * most of them are missing.
 */
/* eslint-disable @typescript-eslint/no-require-imports */

export const packagedPlatforms: readonly string[] = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64"];

export type PackagedFile = "package.json" | "loader.node" | "engine.node";

/** undefined where the package, or this file of it, is not there. */
export function requirePackaged(platform: string, file: PackagedFile): unknown {
  try {
    switch (`${platform}/${file}`) {
      case "linux-x64/package.json":
        return require("@reward-model-score/linux-x64/package.json");
      case "linux-x64/loader.node":
        return require("@reward-model-score/linux-x64/loader.node");
      case "linux-x64/engine.node":
        return require("@reward-model-score/linux-x64/engine.node");
      case "linux-arm64/package.json":
        return require("@reward-model-score/linux-arm64/package.json");
      case "linux-arm64/loader.node":
        return require("@reward-model-score/linux-arm64/loader.node");
      case "linux-arm64/engine.node":
        return require("@reward-model-score/linux-arm64/engine.node");
      case "darwin-arm64/package.json":
        return require("@reward-model-score/darwin-arm64/package.json");
      case "darwin-arm64/loader.node":
        return require("@reward-model-score/darwin-arm64/loader.node");
      case "darwin-arm64/engine.node":
        return require("@reward-model-score/darwin-arm64/engine.node");
      case "win32-x64/package.json":
        return require("@reward-model-score/win32-x64/package.json");
      case "win32-x64/loader.node":
        return require("@reward-model-score/win32-x64/loader.node");
      case "win32-x64/engine.node":
        return require("@reward-model-score/win32-x64/engine.node");
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
  }
  return undefined;
}
