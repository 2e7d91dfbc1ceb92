import { homedir } from "node:os";
import { describe, expect, it } from "vitest";
import { readEnvironment } from "#lib/env.js";

describe("readEnvironment", () => {
  it("puts the cache under the home directory by default", () => {
    expect(readEnvironment({})).toEqual({
      libtorch: undefined,
      cache: `${homedir()}/.cache/reward-model-score`,
      skipVersionCheck: false,
      addon: undefined,
      rowTimeout: 60_000,
      cpu: undefined,
    });
  });

  it("prefers its own cache variable to XDG_CACHE_HOME", () => {
    expect(readEnvironment({ XDG_CACHE_HOME: "/x" }).cache).toBe("/x/reward-model-score");
    expect(readEnvironment({ XDG_CACHE_HOME: "/x", REWARD_MODEL_SCORE_CACHE: "/own" }).cache).toBe("/own");
  });

  it("ignores a relative XDG_CACHE_HOME, as the specification demands", () => {
    expect(readEnvironment({ XDG_CACHE_HOME: "here" }).cache).toBe(`${homedir()}/.cache/reward-model-score`);
  });

  it("counts empty variables as unset and makes paths absolute", () => {
    expect(readEnvironment({ LIBTORCH: "" }).libtorch).toBeUndefined();
    expect(readEnvironment({ LIBTORCH: "torch" }).libtorch).toBe(`${process.cwd()}/torch`);
  });

  it.each([
    ["1", true],
    ["TRUE", true],
    ["yes", true],
    ["0", false],
    ["off", false],
    ["", false],
  ])("reads the flag %j as %s", (value, expected) => {
    expect(readEnvironment({ REWARD_MODEL_SCORE_SKIP_VERSION_CHECK: value }).skipVersionCheck).toBe(expected);
  });

  it("refuses a flag that is neither", () => {
    expect(() => readEnvironment({ REWARD_MODEL_SCORE_SKIP_VERSION_CHECK: "maybe" })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});
