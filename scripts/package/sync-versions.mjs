/**
 * Gives the platform packages the version of package.json. `npm version` runs it.
 *
 *     node scripts/package/sync-versions.mjs [--check]
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { platforms, readManifest, root } from "./packages.mjs";

const { version } = readManifest(root);
const check = process.argv.includes("--check");
for (const platform of platforms) {
  const folder = join(root, "npm", platform);
  const manifest = readManifest(folder);
  if (manifest.version === version) continue;
  if (check) {
    process.stderr.write(
      `npm/${platform}/package.json has version ${manifest.version} instead of ${version}.\n`,
    );
    process.exitCode = 1;
  } else {
    writeFileSync(
      join(folder, "package.json"),
      `${JSON.stringify({ ...manifest, version }, undefined, 2)}\n`,
    );
  }
}
