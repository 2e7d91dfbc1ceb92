/**
 * How long a start takes, each time in a process of its own, with the files in the system's cache:
 *
 *     node scripts/benchmark/start.mjs [runs, default 15]
 *
 * "node" is an empty program, "--help" the command line without libtorch, "load" libtorch and the addon from within a
 * process that runs already.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./measure.mjs";
import { findLibtorch } from "../../dist/libtorch/find.js";

const runs = Number(process.argv[2] ?? 15);
const load = new URL("../../dist/native/load.js", import.meta.url);
const { root } = await findLibtorch();
const LOADING = `
  const { loadBinding } = await import(${JSON.stringify(load)});
  const start = performance.now();
  await loadBinding(${JSON.stringify(root)});
  console.log(performance.now() - start);`;

report("node", () => wall(["-e", "0"]));
report("--help", () => wall([fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)), "--help"]));
report("load", () => Number(run(["--input-type=module", "-e", LOADING])));

function report(name, measure) {
  measure();
  const times = Array.from({ length: runs }, measure);
  const [least, middle, most] = [Math.min(...times), median(times), Math.max(...times)].map((time) =>
    (time / 1000).toFixed(3),
  );
  console.log(`${name}: ${middle} s (median of ${runs}, ${least}–${most})`);
}

function wall(args) {
  const start = performance.now();
  run(args);
  return performance.now() - start;
}

function run(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
