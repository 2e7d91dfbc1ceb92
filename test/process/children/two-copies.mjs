// Two copies of the package in one process: the second one, whose folder is the argument, says what it is told.
import { pathToFileURL } from "node:url";
import { findLibtorch } from "#lib/libtorch/find.js";
import { batchOf, load } from "./setup.mjs";

const { loadBinding } = await import(pathToFileURL(`${process.argv[2]}/dist/native/load.js`));
await loadBinding((await findLibtorch()).root).catch((error) => console.log(error.code));
const model = await load("column");
console.log((await model.forward(batchOf([1]))).scores.length);
