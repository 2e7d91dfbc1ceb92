import { readdirSync, readFileSync } from "node:fs";
import { inject } from "vitest";
import type { Published } from "./registry.js";

export const platform = `${process.platform}-${process.arch}`;
export const jinjaPackage = "@reward-model-score/jinja";
export const platformPackage = `@reward-model-score/${platform}`;

/** The packages as a registry has them: also those of the other platforms, whose files nobody may fetch. */
export function published(): Published[] {
  const platforms = readdirSync("npm").map((name): Published => {
    const manifest = readManifest(`npm/${name}`);
    return name === platform ? { manifest, tarball: inject("platformTarball") } : { manifest };
  });
  return [
    { manifest: readManifest(".packages/main"), tarball: inject("mainTarball") },
    { manifest: readManifest("packages/jinja"), tarball: inject("jinjaTarball") },
    ...platforms,
  ];
}

function readManifest(folder: string): Published["manifest"] {
  return JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Published["manifest"];
}
