import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findAddonFiles } from "#lib/native/addon-files.js";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "addon-files-"));
  vi.stubEnv("REWARD_MODEL_SCORE_ADDON", directory);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

describe("REWARD_MODEL_SCORE_ADDON", () => {
  it("names the build that is used", () => {
    writeFileSync(join(directory, "engine.node"), "");
    expect(findAddonFiles()).toEqual({
      engine: join(directory, "engine.node"),
      loader: join(directory, "loader.node"),
    });
  });

  it("is refused where it has none, not passed over", () => {
    expect(() => findAddonFiles()).toThrow(
      expect.objectContaining({ code: "ERR_ADDON", details: { path: directory } }),
    );
  });
});
