import { spawn } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../temporary-folder.js";

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs children/<name>.mjs in a process of its own; `onOutput` may act on it while it runs. */
function run(
  name: string,
  args: string[] = [],
  options: { node?: string[]; kill?: NodeJS.Signals } = {},
): Promise<Outcome> {
  const file = fileURLToPath(new URL(`./children/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [...(options.node ?? []), file, ...args], {
    timeout: 110_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
    if (options.kill !== undefined) child.kill(options.kill);
  });
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

const quiet = (stdout: string, code = 0): Outcome => ({ code, signal: null, stdout, stderr: "" });

describe("a process ends well", { timeout: 120_000 }, () => {
  it("at its normal end", async () => {
    expect(await run("normal")).toEqual(quiet("2\n"));
  });

  it("and not before the results are there", async () => {
    expect(await run("pending")).toEqual(quiet("1\n"));
  });

  it.each([0, 20, 150])("on process.exit() %d ms into a batch", async (milliseconds) => {
    const started = performance.now();
    expect(await run("exit", [String(milliseconds)])).toEqual(quiet("", 3));
    // Three batches of seconds each are queued; none is waited for.
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  it("on process.exit() many times over", async () => {
    for (let index = 0; index < 10; ++index)
      expect(await run("exit", [String(index * 3)])).toEqual(quiet("", 3));
  });

  it("on an uncaught throw while a batch runs", async () => {
    const { code, signal, stderr } = await run("throw");
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain("thrown on purpose");
    expect(stderr).not.toMatch(/terminate called|Segmentation|FATAL/);
  });

  it("on SIGTERM while a batch runs", async () => {
    const { signal, stderr } = await run("wait", [], { kill: "SIGTERM" });
    expect({ signal, stderr }).toEqual({ signal: "SIGTERM", stderr: "" });
  });

  it("when the addon was loaded in workers only", async () => {
    expect(await run("worker-only")).toEqual(quiet("1 0\n1 0\n1 0\n"));
  });

  it("when workers are terminated while their batches run", async () => {
    expect(await run("terminate", ["50"])).toEqual(quiet("terminated 50\n"));
  });

  it("on process.exit() while a worker's batch runs", async () => {
    expect(await run("exit-with-worker")).toEqual(quiet("", 3));
  });

  it("when a model is disposed of twice while it scores", async () => {
    expect(await run("dispose")).toEqual(quiet("fulfilled ERR_NOT_LOADED fulfilled fulfilled\n"));
  });
});

describe("libtorch is opened beside the event loop", { timeout: 120_000 }, () => {
  it("which goes on turning", async () => {
    const { stdout, ...rest } = await run("open");
    expect(rest).toEqual({ code: 0, signal: null, stderr: "" });
    // Some two hundred thousand; under two hundred when libtorch is opened on the thread of the event loop.
    expect(Number(stdout)).toBeGreaterThan(5000);
  });

  it.each(["main", "worker"])("and process.exit() meanwhile does no harm (%s)", async (by) => {
    for (const milliseconds of [0, 50, 150, 300, 500])
      expect(await run("exit-while-opening", [String(milliseconds), by])).toEqual(quiet("", 3));
  });
});

describe("a second copy of the package", { timeout: 120_000 }, () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));

  /** With an addon of its own, or with the first one's. */
  function copyWith(...files: string[]): string {
    const copy = temporaryFolder("second-copy");
    for (const name of ["dist", "package.json", ...files])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    return copy;
  }

  it("is refused, and the first lives on", async () => {
    const copy = copyWith("build/Release/loader.node", "build/Release/engine.node");
    expect(await run("two-copies", [copy])).toEqual(quiet("ERR_ADDON\n1\n"));
  });

  it("that finds the same addon shares it, and both know its errors", async () => {
    const copy = copyWith();
    symlinkSync(join(root, "build"), join(copy, "build"));
    const yes = "true true\n";
    expect(await run("shared-addon", [copy])).toEqual(quiet(`1 false\n${yes}${yes}${yes}false false\n`));
  });
});

describe("memory", { timeout: 120_000 }, () => {
  it("stays flat over 100 loads", async () => {
    const { code, stdout, stderr } = await run("memory", [], { node: ["--expose-gc"] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { grownBytes, external } = JSON.parse(stdout) as { grownBytes: number; external: number };
    expect(grownBytes).toBeLessThan(8 << 20);
    // What was reported to V8 has been taken back: 200 models of 1,664 bytes would show.
    expect(external).toBeLessThan(16 << 20);
  });
});
