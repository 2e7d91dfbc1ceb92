import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

let machineName: string | undefined;

/** Names a process table: boot and PID namespace on Linux, so that containers on one disk do not look up each other's pids. */
export function machine(): string {
  if (machineName === undefined) {
    try {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      machineName = `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
    } catch {
      machineName = hostname();
    }
  }
  return machineName;
}

/** A process as it is written down for others: pids are used again, so one counts only with its start. */
export interface ProcessIdentity {
  pid: number;
  /** See `startTime`. */
  started?: string | undefined;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, started: startTime(process.pid) };
}

/** Whether that very process runs. Where no start can be looked up, whether any process has its pid. */
export function isAlive({ pid, started }: ProcessIdentity): boolean {
  const now = startTime(pid);
  return isRunning(pid) && (now === undefined || now === started);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

/** When a process started, in a form that is good for comparing only: pids are used again. Known on Linux. */
function startTime(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program comes second, in brackets, and may hold anything. The time is field 22.
    return fields.slice(fields.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
