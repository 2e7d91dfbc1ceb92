// Loads a model with so many threads, and scores with it.
import { batchOf, load } from "./setup.mjs";

const threads = Number(process.argv[2]);
try {
  const model = await load("column", { threads });
  console.log((await model.forward(batchOf([1, 2], [3]))).scores.length);
} catch (error) {
  console.log(`${error.code} ${error.details.option}: ${error.message}`);
}
