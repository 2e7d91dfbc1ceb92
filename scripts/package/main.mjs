/**
 * Packs the package itself into .packages/.
 *
 *     npm run package:main
 *
 * The manifest that is published differs from the repository's: it names the platform packages as optional
 * dependencies. The repository's cannot, because `npm ci` refuses a lock file that lacks a dependency, and a lock file
 * cannot hold packages that are published only after it. Nor does it need what only a clone uses.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compile, npmPack, pack, platforms, readManifest, root } from "./packages.mjs";

const staging = join(root, ".packages/main");

compile();
rmSync(staging, { recursive: true, force: true });
const [{ files }] = npmPack(root, ["--dry-run"]);
for (const { path } of files) {
  mkdirSync(dirname(join(staging, path)), { recursive: true });
  cpSync(join(root, path), join(staging, path));
}
writeFileSync(join(staging, "package.json"), `${JSON.stringify(publishedManifest(), undefined, 2)}\n`);
process.stdout.write(`${pack(staging)}\n`);

function publishedManifest() {
  const manifest = readManifest(root);
  const ofAClone = [
    "private",
    "workspaces",
    "scripts",
    "imports",
    "devDependencies",
    "gypfile",
    "binary",
    "cmake-js",
  ];
  for (const key of ofAClone) delete manifest[key];
  const packages = platforms.map((platform) => [`@reward-model-score/${platform}`, manifest.version]);
  return { ...manifest, optionalDependencies: Object.fromEntries(packages) };
}
