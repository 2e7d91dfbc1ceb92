// The main thread never touches the addon.
import { once } from "node:events";
import { Worker } from "node:worker_threads";

for (let index = 0; index < 3; ++index) {
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { run: "once" } });
  const [[scores], [code]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
  console.log(scores, code);
}
