// Changes the weights of a model, before they are read or between two calls of score(): what becomes of it. Arguments:
// the folder or archive, the file to change in it, how, when, and what is left on the disk.
import { renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { RewardModelScore } from "#lib/index.js";
import { exportModel } from "#lib/model/export-model.js";
import { resolveOptions } from "#lib/options.js";

const [model, file, how, when, onDisk] = process.argv.slice(2);
const rows = [{ instruction: "How much is 2+2?", response: "4" }];
// A name that the model does not have gives a warning, in time before the weights are read.
const deviceMap = { "": "cpu", nothing: "cpu", ...JSON.parse(onDisk) };
const change = {
  truncated: () => truncateSync(file, statSync(file).size >> 1),
  emptied: () => truncateSync(file, 0),
  overwritten: () => writeFileSync(file, Buffer.alloc(statSync(file).size), { flag: "r+" }),
  touched: () => utimesSync(file, 0, 0),
  replaced: () => {
    writeFileSync(`${file}.new`, "another model");
    renameSync(`${file}.new`, file);
  },
  removed: () => rmSync(file),
}[how];

if (file.endsWith(".pt")) await exportModel(resolveOptions({ model: dirname(file) }), file, {});
const step = new RewardModelScore({ model, deviceMap, threads: 2 });
try {
  await step.load({ onProgress: ({ phase }) => phase === "warning" && when === "load" && change() });
  const before = await step.score(rows);
  if (when === "score") change();
  const [score] = await step.score(rows);
  console.log(score === before[0] ? "same score" : `another score: ${score}`);
} catch (error) {
  console.log(
    `${error.code} ${error.details.path === file} ${/changed while it was in use/.test(error.message)}`,
  );
}
await step.unload();
