// The process ends so many turns of the event loop after batches were handed over; "running": when one of them runs.
import { batchOf, endlessBatch, load, turns } from "./setup.mjs";

const [count, running] = process.argv.slice(2);
const model = await load("slow");
const first = model.forward(batchOf([1]));
for (let index = 0; index < 3; ++index) void model.forward(endlessBatch);
if (running) await first;
await turns(Number(count));
process.exit(3);
