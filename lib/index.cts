/**
 * The entry for `require`: the same module and not a second copy, so that the error class and the engine are shared.
 */
import type * as api from "./index.js" with { "resolution-mode": "import" };

export type * from "./index.js" with { "resolution-mode": "import" };

// eslint-disable-next-line @typescript-eslint/no-require-imports -- what `import` makes of it is refused by TypeScript in node16.
export const { RewardModelScore, RewardModelScoreError } = require("./index.js") as typeof api;
export type RewardModelScore<Column extends string = "score"> = api.RewardModelScore<Column>;
export type RewardModelScoreError<C extends api.ErrorCode = api.ErrorCode> = api.RewardModelScoreError<C>;
