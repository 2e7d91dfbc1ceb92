/**
 * The entry for `require`: the same module and not a second copy, so that the error class and the engine are shared.
 */
import { runInThisContext } from "node:vm";
import type * as api from "./index.js" with { "resolution-mode": "import" };

export type * from "./index.js" with { "resolution-mode": "import" };

function load(): typeof api {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- what `import` makes of it is refused by TypeScript in node16.
    return require("./index.js") as typeof api;
  } catch {
    // Jest puts a `require` of its own, which knows no ES modules, into a context of its own. Node's is in the main one; it
    // loads the module once for all test files, or says again what is wrong.
    const node = runInThisContext("process") as NodeJS.Process;
    const require = node.getBuiltinModule("node:module").createRequire(__filename);
    return require("./index.js") as typeof api;
  }
}

export const { RewardModelScore, RewardModelScoreError } = load();
export type RewardModelScore<Column extends string = "score"> = api.RewardModelScore<Column>;
export type RewardModelScoreError<C extends api.ErrorCode = api.ErrorCode> = api.RewardModelScoreError<C>;
