import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runCli } from "./run-cli.js";

describe("reward-model-score", () => {
  it.each([[["--help"]], [["setup", "--help"]], [["doctor", "--help"]], [["help", "setup"]]])(
    "prints help for %j",
    async (args) => {
      const { status, stdout, stderr } = await runCli(args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toMatch(/^Usage: reward-model-score/);
    },
  );

  it("prints the version of the package", async () => {
    const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect((await runCli(["--version"])).stdout).toBe(`${manifest.version}\n`);
  });

  it.each([[["bogus"]], [["setup", "--bogus"]], [["setup", "--device"]], [[]]])(
    "refuses the arguments %j with status 2",
    async (args) => {
      const { status, stdout, stderr } = await runCli(args);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).not.toBe("");
    },
  );
});
