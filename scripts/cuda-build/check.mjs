/**
 * Checks that the project works with the CUDA build of libtorch: builds the addon against it, into build-cuda/addon, and scores
 * the demo model with it.
 *
 *     node scripts/cuda-build/check.mjs [--libtorch <folder of a CUDA build>]
 *
 * Without --libtorch it fetches one as "reward-model-score setup --device cuda" does, once, into build-cuda/cache: about
 * 4 GB. What it is compared with is the libtorch and the addon that are used otherwise.
 *
 * No GPU is needed: then the CPU has to give the scores of the CPU build, and "cuda" an error that says what is missing;
 * drivers that cannot be used are stand-ins. Where there is a GPU, it has to give the scores too.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findLibtorch, hasCuda } from "../../dist/libtorch/find.js";
import { setup } from "../../dist/libtorch/setup.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "build-cuda");
const { values: args } = parseArgs({ options: { libtorch: { type: "string" } } });

const PROGRAM = join(root, "models/demo");
const ARCHIVE = join(root, "models/demo/model.pt");
/** What says why there is no GPU; the words are CUDA's own. */
const MISSING = /no NVIDIA driver|driver .* too old|No CUDA GPUs|no device is (found|visible)/i;

let failures = 0;
const cpu = await findCpuBuild();
const cuda = await findCudaBuild();
build();

const usual = { libtorch: cpu, addon: join(root, "build/Release") };
const contenders = {
  "the addon built against CUDA": { libtorch: cuda, addon: join(folder, "addon/Release") },
  "the addon built for the CPU": { libtorch: cuda, addon: usual.addon },
};
console.log(`compared with libtorch ${score(usual, PROGRAM, null).libtorch}, ${cpu}`);
for (const [name, contender] of Object.entries(contenders)) {
  const { libtorch, cuda: info } = score(contender, PROGRAM, null);
  console.log(`${name}, with libtorch ${libtorch}, ${contender.libtorch}`);
  report("the CUDA half is open", info.reason === undefined || MISSING.test(info.reason), info.reason);
  checkScores("program on the CPU", contender, PROGRAM, null);
  checkScores("archive on the CPU", contender, ARCHIVE, null);
  for (const deviceMap of ["cuda", "cuda:0", 0]) {
    if (info.available) checkScores(`program on ${deviceMap}`, contender, PROGRAM, deviceMap);
    else checkRefused(contender, deviceMap);
  }
}
for (const [title, variables, reason] of unusableDrivers()) {
  const { code, message = "" } = score({ libtorch: cuda, addon: usual.addon, variables }, PROGRAM, "cuda");
  report(`"cuda" with ${title}`, code === "ERR_DEVICE_UNAVAILABLE" && reason.test(message), message);
}
// The other way about: a CPU build has no CUDA half that could lack a driver.
const { code, message = "" } = score(usual, PROGRAM, "cuda");
report(`"cuda" with the CPU build`, code === "ERR_DEVICE_UNAVAILABLE" && /CPU build/.test(message), message);
process.exit(failures === 0 ? 0 : 1);

async function findCpuBuild() {
  const { root: libtorch } = await findLibtorch();
  if (await hasCuda(libtorch))
    fail(`${libtorch}, which is found first, is a CUDA build: name a CPU build with LIBTORCH.`);
  await access(join(root, "build/Release/engine.node")).catch(() => fail("Run npm run prepare:all first."));
  return libtorch;
}

async function findCudaBuild() {
  if (args.libtorch !== undefined) {
    const { root: libtorch } = await findLibtorch(args.libtorch);
    return (await hasCuda(libtorch)) ? libtorch : fail(`${libtorch} is a build without CUDA.`);
  }
  // In a cache of its own: a CUDA build in the usual one would be what everything uses from then on.
  process.env.REWARD_MODEL_SCORE_CACHE = join(folder, "cache");
  delete process.env.LIBTORCH;
  const log = (line) => console.error(line);
  return setup({ device: "cuda", headers: true, log }).then(
    ({ root: libtorch }) => libtorch,
    (error) => fail(`${error.code}: ${error.message}`),
  );
}

function build() {
  const script = join(root, "scripts/build-native.mjs");
  const { status } = spawnSync(process.execPath, [script, "--folder", "build-cuda/addon"], {
    env: { ...process.env, LIBTORCH: cuda },
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) process.exit(1);
}

function unusableDrivers() {
  const driver = join(folder, "driver");
  mkdirSync(driver, { recursive: true });
  const source = join(root, "scripts/cuda-build/driver.c");
  execFileSync(process.env.CC ?? "cc", ["-shared", "-fPIC", "-o", join(driver, "libcuda.so.1"), source]);
  const variables = (version, result, more) => ({
    LD_LIBRARY_PATH: driver,
    DRIVER_VERSION: version,
    DRIVER_RESULT: result,
    ...more,
  });
  // 3: not initialized; 100: no device.
  return [
    ["a driver that is too old", variables("12080", "3"), /driver .* too old \(found version 12080\)/],
    ["a driver without a device", variables("13000", "100"), /No CUDA GPUs are available/],
    [
      "all devices hidden",
      variables("13000", "100", { CUDA_VISIBLE_DEVICES: "3" }),
      /CUDA_VISIBLE_DEVICES is "3"/,
    ],
  ];
}

/** What score.mjs prints, in a process of its own: one has room for one libtorch. */
function score({ libtorch, addon, variables }, model, deviceMap) {
  const script = join(root, "scripts/cuda-build/score.mjs");
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, model, JSON.stringify(deviceMap)], {
    env: { ...process.env, LIBTORCH: libtorch, REWARD_MODEL_SCORE_ADDON: addon, ...variables },
    encoding: "utf8",
  });
  if (status !== 0) fail(`Scoring ended with status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

function checkScores(title, contender, model, deviceMap) {
  const expected = score(usual, model, null).scores;
  const { scores = [], message } = score(contender, model, deviceMap);
  const apart = Math.max(...expected.map((value, index) => Math.abs(value - (scores[index] ?? NaN))));
  report(title, apart <= 1e-4, message ?? `${scores.length} scores, at most ${apart} apart`);
}

function checkRefused(contender, deviceMap) {
  const { code, message } = score(contender, PROGRAM, deviceMap);
  const right = code === "ERR_DEVICE_UNAVAILABLE" && MISSING.test(message);
  report(`${JSON.stringify(deviceMap)} without a GPU`, right, `${code}: ${message}`);
}

function report(title, holds, detail = "") {
  if (!holds) failures++;
  console.log(`  ${holds ? "ok    " : "FAILED"} ${title}${detail && `: ${detail}`}`);
}

function fail(text) {
  console.error(text);
  process.exit(1);
}
