import { batchOf, endlessBatch, load } from "./setup.mjs";

const model = await load("slow");
const first = model.forward(batchOf([1]));
void model.forward(endlessBatch);
await first;
throw new Error("thrown on purpose");
