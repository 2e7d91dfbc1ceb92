// Workers that are ended while a batch of theirs runs, at a different moment each.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { turns } from "./setup.mjs";

const times = Number(process.argv[2]);
for (let index = 0; index < times; ++index) {
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { run: "forever" } });
  await once(worker, "message");
  await turns((index * 700) % 4000);
  await worker.terminate();
}
console.log("terminated", times);
