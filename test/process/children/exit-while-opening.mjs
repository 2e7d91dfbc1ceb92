// The process ends while libtorch is being opened; the argument says how far into it, and "worker" by whom.
import { Worker } from "node:worker_threads";

const [milliseconds, by] = process.argv.slice(2);
if (by === "worker") {
  new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { run: "once" } });
} else {
  void import("./setup.mjs");
}
setTimeout(() => process.exit(3), Number(milliseconds));
