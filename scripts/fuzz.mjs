/**
 * Gives the readers of weights files that are broken at random, under sanitizers, beginning with those of the tests.
 *
 *     node scripts/fuzz.mjs [seconds for each reader, default 20]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "../dist/libtorch/find.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const seconds = process.argv[2] ?? "20";
// The same inputs on each run, as far as the time goes: what fails here fails again.
const SEED = "1";
const readers = {
  safetensors: /weights\/.*\.safetensors$/,
  torch_legacy: /weights\/legacy.*\.bin$/,
  torch_zip: /weights\/(?!legacy).*\.bin$|archives\/.*\.pt$/,
};

const { root: libtorch } = await findLibtorch();
const env = {
  ...process.env,
  LIBTORCH: libtorch,
  LD_LIBRARY_PATH: join(libtorch, "lib"),
  // What fails is what breaks the reader, not that libtorch keeps its registries, nor a size that cannot be allocated.
  ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
  UBSAN_OPTIONS: "print_stacktrace=1:abort_on_error=1",
};
// A reader leaves the input that broke it where it runs, and on a fresh clone nothing has made that folder yet.
mkdirSync(join(root, "build-asan"), { recursive: true });
for (const [reader, pattern] of Object.entries(readers)) {
  const target = `fuzz-${reader}`;
  run(process.execPath, [join(root, "scripts/build-native.mjs"), "--sanitize", "--target", target]);
  const seeds = ["weights", "archives"]
    .flatMap((folder) => readdirSync(join(root, "test/fixtures", folder)).map((name) => `${folder}/${name}`))
    .filter((name) => pattern.test(name))
    .map((name) => join(root, "test/fixtures", name));
  process.stdout.write(`${target}: `);
  run(join(root, "build-asan", target), [seconds, SEED, ...seeds]);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: join(root, "build-asan"),
    env,
    stdio: ["ignore", 2, 2],
  });
  if (error) process.stderr.write(`${command} did not run: ${error.message}\n`);
  if (status !== 0) process.exit(1);
}
