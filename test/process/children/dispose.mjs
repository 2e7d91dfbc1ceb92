import { load, slowBatch } from "./setup.mjs";

const model = await load("slow");
const [first, ...queued] = Array.from({ length: 16 }, () => model.forward(slowBatch));
// The engine is at work from here on, and far from the last of the queue.
await first;
const outcomes = await Promise.allSettled([first, ...queued, model.dispose(), model.dispose()]);
const [last, ...disposals] = outcomes.slice(-3);
console.log([outcomes[0], last, ...disposals].map(({ reason }) => reason?.code ?? "fulfilled").join(" "));
