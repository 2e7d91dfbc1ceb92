/**
 * Builds the addons with node-gyp, from binding.gyp, into build-gyp/build/Release. Start it with npm, which says where
 * its own node-gyp is:
 *
 *     npm run build:gyp
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "../dist/libtorch/find.js";

const root = fileURLToPath(new URL("..", import.meta.url));
// node-gyp builds in "build" beside binding.gyp and nowhere else, and CMake's build is there.
const folder = join(root, "build-gyp");

const nodeGyp = process.env.npm_config_node_gyp;
if (!nodeGyp) {
  process.stderr.write("Start it with npm: npm run build:gyp\n");
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
copyFileSync(join(root, "binding.gyp"), join(folder, "binding.gyp"));
for (const name of ["native", "node_modules", "package.json", "scripts"]) {
  rmSync(join(folder, name), { force: true });
  symlinkSync(join(root, name), join(folder, name));
}
// Node's own headers where they are installed beside it; else node-gyp downloads them.
const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, "include/node/common.gypi")) ? [`--nodedir=${prefix}`] : [];
const jobs = `--jobs=${availableParallelism()}`;
const { status } = spawnSync(
  process.execPath,
  [nodeGyp, "configure", "build", "--silent", jobs, ...headers],
  {
    cwd: folder,
    env: { ...process.env, LIBTORCH: (await findLibtorch()).root },
    stdio: ["ignore", 2, 2],
  },
);
process.exit(status ?? 1);
