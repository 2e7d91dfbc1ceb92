import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, it } from "vitest";
import { MAIN, runCli } from "./run-cli.js";
import { temporaryFolder } from "../temporary-folder.js";

const SCORE = ["score", "models/demo/examples.jsonl", "--model", "demo"];
const NOT_FOUND = /ERR_RUNTIME_NOT_FOUND: No libtorch 2\.13 was found/;
/** Where nothing can be reached and there is no Python, fetching comes to this. */
const TRIED = /ERR_RUNTIME_NOT_FOUND: libtorch can be fetched neither/;

let directory: string;
let env: Record<string, string>;

beforeEach(() => {
  directory = temporaryFolder("require-libtorch");
  mkdirSync(join(directory, "bin"));
  symlinkSync(process.execPath, join(directory, "bin/node"));
  const nowhere = "http://127.0.0.1:9";
  env = {
    LIBTORCH: "",
    PATH: join(directory, "bin"),
    REWARD_MODEL_SCORE_CACHE: join(directory, "cache"),
    HTTPS_PROXY: nowhere,
    https_proxy: nowhere,
    NO_PROXY: "",
    no_proxy: "",
  };
});

describe("score without libtorch", () => {
  it("says the command that helps where nobody can answer", async () => {
    const { status, stdout, stderr } = await runCli(SCORE, { env });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(NOT_FOUND);
    expect(stderr).toContain('Run "npx reward-model-score setup"');
  });

  it("fetches it without asking with --yes", async () => {
    const { status, stderr } = await runCli([...SCORE, "--yes"], { env });
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(TRIED) as string });
  });

  it("neither asks nor fetches where a wrong folder was named", async () => {
    const { status, stderr } = await runCli([...SCORE, "--yes", "--libtorch", directory], { env });
    expect(status).toBe(2);
    expect(stderr).toContain(`The libtorch folder that was given, ${directory}, has no`);
  });

  // util-linux's script runs a command on a terminal of its own.
  const hasTerminals = spawnSync("script", ["--version"]).status === 0;

  it.runIf(hasTerminals).each([
    ["\n", TRIED],
    ["y\n", TRIED],
    ["n\n", NOT_FOUND],
    ["what?\n", NOT_FOUND],
  ])("asks at a terminal, and minds the answer %j", async (answer, outcome) => {
    const command = [process.execPath, MAIN, ...SCORE].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", `PATH='${env.PATH}' ${command}`, "/dev/null"], {
      env: { ...process.env, ...env, PATH: process.env.PATH },
    });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => {
      const before = shown.length;
      shown += chunk.toString();
      if (shown.includes("[Y/n]") && !shown.slice(0, before).includes("[Y/n]")) child.stdin.write(answer);
    });
    const stderr = text(child.stderr);
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect({ status, stderr: await stderr }).toEqual({ status: 2, stderr: "" });
    expect(shown).toContain("Fetch it into");
    expect(shown).toMatch(outcome);
  });
});
