import { once } from "node:events";
import { Worker } from "node:worker_threads";

const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { run: "forever" } });
await once(worker, "message");
process.exit(3);
