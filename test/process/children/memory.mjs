// Resident memory after many loads, some of them given back by dispose() and some left to the collector.
import { batchOf, load } from "./setup.mjs";

async function round(dispose) {
  const model = await load("column");
  await model.forward(batchOf([1, 2, 3]));
  if (dispose) await model.dispose();
}

async function rounds(count) {
  for (let index = 0; index < count; ++index) await round(index % 4 !== 0);
  globalThis.gc();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc();
  return process.memoryUsage();
}

await rounds(50);
const before = await rounds(50);
const after = await rounds(100);
console.log(JSON.stringify({ grownBytes: after.rss - before.rss, external: after.external }));
