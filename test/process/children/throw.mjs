import { load, slowBatch, sleep } from "./setup.mjs";

const model = await load("slow");
void model.forward(slowBatch);
await sleep(100);
throw new Error("thrown on purpose");
