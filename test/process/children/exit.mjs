import { load, slowBatch, sleep } from "./setup.mjs";

const model = await load("slow");
for (let index = 0; index < 3; ++index) void model.forward(slowBatch);
await sleep(Number(process.argv[2]));
process.exit(3);
