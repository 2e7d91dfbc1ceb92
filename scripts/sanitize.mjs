/**
 * Runs the tests of the native code with the addons of a build that has address and undefined-behaviour sanitizers.
 *
 *     node scripts/sanitize.mjs [arguments for vitest]
 *
 * Only our own code is instrumented: libtorch and Node are not, so what they do wrong with memory of their own stays
 * unseen.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "../dist/libtorch/find.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const { root: libtorch } = await findLibtorch();
const build = spawnSync(process.execPath, [join(root, "scripts/build-native.mjs"), "--sanitize"], {
  env: { ...process.env, LIBTORCH: libtorch },
  stdio: ["ignore", 2, 2],
});
if (build.status !== 0) process.exit(1);

const TESTS = ["test/native", "test/process", "test/parity", "test/reward-model-score.test.ts"];
// A second copy of the package comes with an addon of its own, freed memory is kept to find who still uses it, and the
// sanitizer needs terabytes of addresses.
const EXCEPT = "a second copy of the package|stays flat over|limits of the system";

const compiler = process.env.CXX ?? "g++";
const args = process.argv.slice(2);
const tests = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    ...(args.length > 0 ? args : [...TESTS, "-t", `^(?!.*(${EXCEPT}))`]),
  ],
  {
    cwd: root,
    env: {
      ...process.env,
      REWARD_MODEL_SCORE_ADDON: join(root, "build-asan/Release"),
      // The runtime has to be in the process before anything allocates; Node itself is not linked with it.
      LD_PRELOAD: execFileSync(compiler, ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim(),
      // Node and libtorch keep memory until the end of the process on purpose.
      ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
      UBSAN_OPTIONS: "print_stacktrace=1",
    },
    stdio: ["ignore", "inherit", "inherit"],
  },
);
process.exit(tests.status ?? 1);
