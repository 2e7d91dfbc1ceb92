/** The exporter is Python's, and so are its tests: export_torchscript.py beside this file. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { pythonWith } from "./python.js";

const python = pythonWith("torch", "transformers");

it.runIf(python)("writes what is the model, and refuses with the true reason", { timeout: 600_000 }, () => {
  const { status, stderr } = spawnSync(python!, ["test/scripts/export_torchscript.py"], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
});
