// The process ends while libtorch is being opened, which takes some two hundred thousand turns of the event loop: after
// how many of them, and "worker" by whom.
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const [turns, by] = process.argv.slice(2);
if (by === "worker") {
  new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { run: "once" } });
} else {
  void import("./setup.mjs");
}
for (let turn = 0; turn < Number(turns); ++turn) await setImmediate();
process.exit(3);
