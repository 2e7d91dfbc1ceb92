import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { RewardModelScoreError } from "../../errors.js";
import { findLibtorch, type Libtorch } from "../../libtorch/find.js";
import type { RuntimeInfo } from "../../native/binding.js";
import { findAddon } from "../../native/addon.js";
import { requireGlibc } from "../../native/glibc.js";
import type { ProbeAnswer } from "./probe.js";
import { inspectSystem, type SystemReport } from "./system.js";

/** Whatever could not be found out is missing, and `problems` says why. */
export interface DoctorReport {
  /** Whether scoring would work. */
  ok: boolean;
  version: string;
  system: SystemReport;
  libtorch?: Libtorch;
  /** The folder of the addon. */
  addon?: string;
  runtime?: RuntimeInfo;
  /** How long libtorch and the addon took to load. */
  loadSeconds?: number;
  /** What the demo model gives "How much is 2+2?", "4". */
  demoScore?: number;
  problems: Problem[];
}

export interface Problem {
  code: string;
  message: string;
}

/** A healthy load takes a fraction of a second; a cold disk may take many. */
const PROBE_TIMEOUT = 120_000;

export async function inspect(version: string, libtorchOption: string | undefined): Promise<DoctorReport> {
  const system = inspectSystem();
  const report: DoctorReport = { ok: true, version, system, problems: [] };
  const note = async <T>(part: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await part();
    } catch (error) {
      report.problems.push(problem(error));
      return undefined;
    }
  };
  await note(requireGlibc);
  const libtorch = await note(() => findLibtorch(libtorchOption));
  const addon = await note(() => findAddon().folder);
  if (libtorch) report.libtorch = libtorch;
  if (addon) report.addon = addon;
  if (libtorch && addon) Object.assign(report, await note(() => runProbe(libtorch.root)));
  report.ok = report.problems.length === 0;
  return report;
}

async function runProbe(libtorch: string): Promise<Exclude<ProbeAnswer, { error: unknown }>> {
  const child = fork(fileURLToPath(new URL("./probe.js", import.meta.url)), [libtorch], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: PROBE_TIMEOUT,
  });
  let answer: ProbeAnswer | undefined;
  let stderr = "";
  child.on("message", (message) => (answer = message as ProbeAnswer));
  child.stderr!.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const end = await new Promise<string | number | null>((resolve, reject) => {
    child.on("error", reject).on("close", (status, signal) => resolve(signal ?? status));
  });
  if (answer && "runtime" in answer && end === 0) return answer;
  if (answer && "error" in answer)
    throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  const last = stderr.trim().split("\n").slice(-5).join("\n");
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `The process that loaded libtorch from ${libtorch} ended with ${end}.${last && `\n${last}`}`,
    {},
  );
}

function problem(error: unknown): Problem {
  const code = error instanceof Error && "code" in error ? String(error.code) : "ERR_ADDON";
  return { code, message: error instanceof Error ? error.message : String(error) };
}
