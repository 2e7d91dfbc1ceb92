/** The entry for `require`: the same module and not a second copy, so that the error class is shared. */
import type * as api from "./index.js" with { "resolution-mode": "import" };

export type * from "./index.js" with { "resolution-mode": "import" };

// What `import` would make of it is refused by TypeScript in node16.
declare function require(module: string): unknown;
const loaded = require("./index.js") as typeof api;

export const { Template, TemplateError } = loaded;
export type Template = api.Template;
export type TemplateError = api.TemplateError;
