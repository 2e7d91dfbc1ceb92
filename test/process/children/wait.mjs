import { load, slowBatch, sleep } from "./setup.mjs";

const model = await load("slow");
for (let index = 0; index < 100; ++index) void model.forward(slowBatch);
await sleep(100);
console.log("running");
