import { load, slowBatch, sleep } from "./setup.mjs";

const model = await load("slow");
const running = model.forward(slowBatch);
const waiting = model.forward(slowBatch);
await sleep(100);
const outcomes = await Promise.allSettled([running, waiting, model.dispose(), model.dispose()]);
console.log(outcomes.map((outcome) => outcome.reason?.code ?? "fulfilled").join(" "));
