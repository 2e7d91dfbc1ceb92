import { batchOf, endlessBatch, load } from "./setup.mjs";

const model = await load("slow");
const first = model.forward(batchOf([1]));
for (let index = 0; index < 3; ++index) void model.forward(endlessBatch);
await first;
console.log("running");
