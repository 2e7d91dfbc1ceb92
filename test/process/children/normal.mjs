import { batchOf, load } from "./setup.mjs";

const model = await load("column");
const { scores } = await model.forward(batchOf([1, 2], [3]));
console.log(scores.length);
