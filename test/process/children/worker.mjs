import { parentPort, workerData } from "node:worker_threads";
import { batchOf, endlessBatch, load } from "./setup.mjs";

const model = await load("slow");
if (workerData.run === "forever") {
  for (let index = 0; index < 5; ++index) void model.forward(endlessBatch);
  parentPort.postMessage("running");
} else {
  const { scores } = await model.forward(batchOf([1]));
  parentPort.postMessage(scores.length);
}
