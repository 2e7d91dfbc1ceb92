import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { filesBelow, MODEL, NEEDED, setUp } from "./support.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Runs the command line; the environment holds nothing but what is named. */
async function run(args: string[], env: NodeJS.ProcessEnv) {
  return await new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

describe("the command line", () => {
  it("downloads, lists, verifies and removes a model", async () => {
    const { hub, home, folder, repository } = await setUp();
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };
    const directory = `${folder}/snapshots/${repository.resolve("main")}`;

    expect(await run(["download", MODEL], env)).toEqual({ code: 0, stdout: `${directory}\n`, stderr: "" });
    expect(await filesBelow(directory)).toEqual(NEEDED);
    expect((await run(["download", MODEL, "--local-files-only"], env)).stdout).toBe(`${directory}\n`);

    const list = await run(["cache", "list", "--json"], env);
    expect(JSON.parse(list.stdout)).toMatchObject([
      { model: MODEL, revisions: [{ refs: ["main"], files: NEEDED.length }] },
    ]);
    expect((await run(["cache", "list"], env)).stdout).toContain(`${MODEL}  3.0 MB`);
    expect(await run(["cache", "verify", MODEL], env)).toMatchObject({
      code: 0,
      stdout: `${NEEDED.length} files verified, 0 damaged or missing\n`,
    });
    expect(await run(["cache", "remove", MODEL], env)).toMatchObject({ code: 0, stdout: "3.0 MB freed\n" });
    expect((await run(["cache", "list"], env)).stdout).toMatch(/^0 models/);
  });

  it("downloads an adapter with the base that it names", async () => {
    const { hub, home, folder, repository } = await setUp();
    const config = { peft_type: "LORA", r: 8, lora_alpha: 8, base_model_name_or_path: MODEL };
    const adapter = hub.add("owner/adapter", {
      "adapter_config.json": JSON.stringify(config),
      "adapter_model.safetensors": "weights",
      "optimizer.pt": "state",
    });
    const { code, stdout } = await run(["download", "owner/adapter"], {
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: home,
    });
    const snapshot = `${home}/hub/models--owner--adapter/snapshots/${adapter.resolve("main")}`;
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${snapshot}\n` });
    expect(await filesBelow(snapshot)).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    expect(await filesBelow(`${folder}/snapshots/${repository.resolve("main")}`)).toEqual(NEEDED);
  });

  it("says what went wrong with a code, and exits with 2", async () => {
    const { hub, home } = await setUp();
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };
    const missing = await run(["download", "owner/missing"], env);
    expect(missing).toMatchObject({ code: 2, stdout: "" });
    expect(missing.stderr).toMatch(/^reward-model-score: ERR_REPOSITORY_NOT_FOUND: /);
    expect(await run(["cache", "remove", MODEL], env)).toMatchObject({ code: 2 });
    expect(await run(["cache", "remove"], env)).toMatchObject({ code: 2 });
  });

  // util-linux's script runs a command on a terminal of its own.
  it.runIf(spawnSync("script", ["--version"]).status === 0)("shows one bar for all files", async () => {
    const { hub, home } = await setUp();
    hub.faults.add({ on: "cdn", drip: { bytes: 300_000, everyMs: 150 } });
    const command = `"${process.execPath}" "${MAIN}" download ${MODEL}`;
    const output = await new Promise<string>((resolve, reject) =>
      execFile(
        "script",
        ["-qec", command, "/dev/null"],
        { env: { PATH: process.env.PATH, TERM: "xterm", HF_ENDPOINT: hub.endpoint, HF_HOME: home } },
        (error, stdout) => (error ? reject(new Error(stdout)) : resolve(stdout)),
      ),
    );
    const shown = [...output.matchAll(/(\d+)% [\d.]+ [kM]?B of ([\d.]+) MB/g)];
    const percent = shown.map((match) => Number(match[1]));
    expect(percent.length).toBeGreaterThan(2);
    expect(percent).toEqual(percent.toSorted((a, b) => a - b));
    expect(new Set(shown.map((match) => match[2]))).toEqual(new Set(["3.0"])); // all files together
    expect(output).toContain("/snapshots/");
  });
});
