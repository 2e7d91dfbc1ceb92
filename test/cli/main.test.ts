import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCli } from "./run-cli.js";
import { temporaryFolder } from "../temporary-folder.js";

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

describe("--help", () => {
  /** The scripts that a run of the command line loads, as Node's own coverage counts them. */
  async function loaded(...args: string[]): Promise<string[]> {
    const directory = temporaryFolder("cli-coverage");
    await runCli(args, { env: { NODE_V8_COVERAGE: directory } });
    const reports = readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"));
    const scripts = reports.flatMap((report) => (JSON.parse(report) as { result: { url: string }[] }).result);
    return scripts
      .map(({ url }) => url)
      .filter((url) => url.startsWith("file:"))
      .map((url) => fileURLToPath(url));
  }

  it.each([[["--help"]], [["score", "--help"]], [["--version"]]])(
    "loads nothing but the command line itself for %j",
    async (args) => {
      const root = resolve(".");
      const parts = (await loaded(...args)).map((path) => relative(root, path));
      const allowed =
        /^(dist\/(cli\/[^/]+|cli\/[^/]+\/command|io\/(disk|format|make-folder)|errors|other-names|printable|version)\.js|node_modules\/commander\/.*)$/;
      expect(parts.filter((path) => !allowed.test(path))).toEqual([]);
      expect(parts).toContain("dist/cli/main.js");
      expect(parts.filter((path) => /\/run\.js$/.test(path))).toEqual([]);
    },
  );

  it("is told by the same means what a command loads", async () => {
    const parts = (await loaded("score", "none.jsonl", "--model", "demo")).join("\n");
    for (const part of ["score/run.js", "tokenizer/tokenizer.js"]) expect(parts).toContain(part);
  });
});
