/** The entry for `require`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { compileFunction, createContext } from "node:vm";
import { expect, it } from "vitest";

const entry = resolve("dist/index.cjs");
const node = createRequire(entry);

it("gives the same module where require knows no ES modules, as in Jest", () => {
  const exports: Record<string, unknown> = {};
  const require = (name: string): unknown => {
    if (name === "./index.js") throw new Error("Must use import to load ES Module");
    return node(name);
  };
  const load = compileFunction(readFileSync(entry, "utf8"), ["exports", "require", "__filename"], {
    parsingContext: createContext({}),
  }) as (...scope: unknown[]) => void;
  load(exports, require, entry);
  const { RewardModelScore, RewardModelScoreError } = node(entry) as Record<string, unknown>;
  expect(exports["RewardModelScore"]).toBe(RewardModelScore);
  expect(exports["RewardModelScoreError"]).toBe(RewardModelScoreError);
});
