import { execFileSync, spawn } from "node:child_process";
import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import { libraryFileName } from "#lib/libtorch/library.js";
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
  options: { node?: string[]; kill?: NodeJS.Signals; limits?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const file = fileURLToPath(new URL(`./children/${name}.mjs`, import.meta.url));
  const command = [process.execPath, ...(options.node ?? []), file, ...args];
  const limited = ["sh", "-c", `${options.limits} && exec "$@"`, "sh", ...command];
  const [program, ...rest] = options.limits === undefined ? command : limited;
  const child = spawn(program!, rest, {
    timeout: 110_000,
    killSignal: "SIGKILL",
    env: { ...process.env, ...options.env },
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

const hasAvx512Bf16 =
  process.platform === "linux" && readFileSync("/proc/cpuinfo", "utf8").includes("avx512_bf16");
const quiet = (stdout: string, code = 0): Outcome => ({ code, signal: null, stdout, stderr: "" });

describe("a process ends well", { timeout: 120_000 }, () => {
  it("at its normal end", async () => {
    expect(await run("normal")).toEqual(quiet("2\n"));
  });

  it("and not before the results are there", async () => {
    expect(await run("pending")).toEqual(quiet("1\n"));
  });

  // The batches that are queued would take hours: they are not waited for.
  it("on process.exit() in the middle of a batch", async () => {
    expect(await run("exit", ["0", "running"])).toEqual(quiet("", 3));
  });

  it("on process.exit() at many other moments", async () => {
    for (let index = 0; index < 10; ++index)
      expect(await run("exit", [String(index * 500)])).toEqual(quiet("", 3));
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
  it.runIf(process.platform === "linux")("which does what the opening waits for", async () => {
    const library = readFileSync(join((await findLibtorch()).root, "lib", libraryFileName("torch_cpu")));
    const start = library.indexOf("libgomp");
    const needed = library.toString("latin1", start, library.indexOf(0, start));
    const folder = temporaryFolder("library");
    execFileSync("mkfifo", [join(folder, needed)]);
    const outcome = await run("open", [join(folder, needed)], { env: { LD_LIBRARY_PATH: folder } });
    expect(outcome).toEqual(quiet("ERR_RUNTIME_NOT_FOUND true\n"));
  });

  it.each(["main", "worker"])("and process.exit() meanwhile does no harm (%s)", async (by) => {
    for (const turns of [0, 1_000, 10_000, 50_000, 100_000])
      expect(await run("exit-while-opening", [String(turns), by])).toEqual(quiet("", 3));
  });
});

/** Of a copy of the demo model: in the folder, or in the archive that is exported from it. */
describe("weights that change while they are in use", { timeout: 120_000 }, () => {
  const everything = { "": "disk" };
  const table = { "model.embed_tokens": "disk" };
  const layer = { "model.layers.1": "disk" };
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder("changing");
    const demo = fileURLToPath(new URL("../../models/demo", import.meta.url));
    cpSync(demo, folder, { recursive: true });
  });
  const change = (file: string, how: string, when: string, onDisk: Record<string, string>) => {
    const path = join(folder, file);
    const model = file.endsWith(".pt") ? path : folder;
    return run("changing-file", [model, path, how, when, JSON.stringify(onDisk)]);
  };

  it.each([
    ["model.safetensors", "truncated", "load", {}],
    ["model.safetensors", "overwritten", "load", {}],
    ["model.safetensors", "truncated", "score", everything],
    ["model.safetensors", "overwritten", "score", everything],
    ["model.safetensors", "emptied", "score", table],
    ["model.safetensors", "touched", "score", layer],
    ["exported.pt", "truncated", "load", {}],
    ["exported.pt", "overwritten", "score", everything],
    ["exported.pt", "truncated", "score", table],
  ])("%s %s before %s: an error", async (file, how, when, onDisk) => {
    expect(await change(file, how, when, onDisk)).toEqual(quiet("ERR_MODEL_CORRUPT true true\n"));
  });

  it.each(["replaced", "removed"])(
    "a file that is %s stays what it was for those who use it",
    async (how) => {
      expect(await change("model.safetensors", how, "score", everything)).toEqual(quiet("same score\n"));
    },
  );
});

describe.runIf(process.platform === "linux")("threads", { timeout: 120_000 }, () => {
  it("that limits of the system leave no room for are an error", async () => {
    // Stacks of 1 GiB, of which an address space of 150 GiB holds less than 200.
    const limits = "ulimit -s 1048576 && ulimit -v 157286400";
    const { stdout, ...rest } = await run("threads", ["1000"], { limits });
    expect(rest).toEqual({ code: 0, signal: null, stderr: "" });
    expect(stdout).toMatch(
      /^ERR_INVALID_OPTION threads: .* let this process start 1000 threads.* to \d+ or fewer/,
    );
    expect(await run("threads", ["2"], { limits })).toEqual(quiet("2\n"));
  });

  it("are not as many as OMP_NUM_THREADS says", async () => {
    expect(await run("threads", ["0"], { env: { OMP_NUM_THREADS: "100000" } })).toEqual(quiet("2\n"));
  });
});

describe("the limits of maxMemory are kept in bfloat16", { timeout: 120_000 }, () => {
  // The demo model has 0.84 MB in bfloat16, and 1.58 MB with its linears in float32.
  const limit = 1_300_000;
  const place = async (cpu: string) => {
    const { stdout, ...rest } = await run("widened", ["demo", String(limit)], {
      env: { REWARD_MODEL_SCORE_CPU: cpu },
    });
    expect(rest).toEqual({ code: 0, signal: null, stderr: "" });
    return JSON.parse(stdout) as { places: string[]; bytes: number };
  };

  it.runIf(process.arch === "x64")(
    "where the CPU has no instructions for it and linears are widened",
    async () => {
      const { places, bytes } = await place("portable");
      expect(places).toEqual(["cpu", "disk"]);
      // All but the room for a layer that is brought in from the disk.
      expect(bytes).toBeGreaterThan(0.6 * limit);
      expect(bytes).toBeLessThanOrEqual(limit);
    },
  );

  it.runIf(process.arch === "x64")(
    "also for archives, which are planned by the size of their file",
    async () => {
      const { stdout } = await run("widened-archive", [], { env: { REWARD_MODEL_SCORE_CPU: "portable" } });
      // 416 weights, of which 160 are linears'.
      expect(JSON.parse(stdout)).toEqual({
        column: { planned: 1, bytes: 4 * 416 },
        bfloat16: { planned: 2, bytes: 2 * 256 + 4 * 160 },
        float16: { planned: 2, bytes: 4 * 416 },
      });
    },
  );

  it.runIf(hasAvx512Bf16)("where it has them", async () => {
    const { places, bytes } = await place("");
    expect(places).toEqual(["cpu"]);
    expect(bytes).toBeLessThan(0.9e6);
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
