// Two copies of the package in one process with one addon: each knows the addon's errors as its own.
import { pathToFileURL } from "node:url";
import { RewardModelScoreError } from "#lib/errors.js";
import { binding, batchOf, load } from "./setup.mjs";

const copy = (file) => import(pathToFileURL(`${process.argv[2]}/dist/${file}`));
const errors = [RewardModelScoreError, (await copy("errors.js")).RewardModelScoreError];
const model = await load("column");
await (
  await copy("native/load.js")
).loadBinding((await (await copy("libtorch/find.js")).findLibtorch()).root);
console.log((await model.forward(batchOf([1]))).scores.length, errors[0] === errors[1]);

for (const call of [
  () => load("nothing"),
  () => model.forward(batchOf([])),
  () => binding.openCheckpoint(["nothing"]),
]) {
  const error = await call().catch((reason) => reason);
  console.log(...errors.map((type) => error instanceof type && type.is(error, error.code)));
}
console.log(...errors.map((type) => new Error("other") instanceof type));
