/**
 * Loads libtorch and the addon, and runs nothing else: started by doctor as a process of its own, so that a crash is
 * something to report. Takes the folder of libtorch as its argument and answers with one message.
 */
import { readFileSync } from "node:fs";
import { RewardModelScoreError } from "../../errors.js";
import type { RuntimeInfo } from "../../native/binding.js";
import { loadBinding } from "../../native/load.js";

export type ProbeAnswer =
  | { runtime: RuntimeInfo; loadSeconds: number; openmp: string[] }
  | { error: { code: string; message: string } };

function probe(libtorch: string): ProbeAnswer {
  const start = performance.now();
  try {
    const runtime = loadBinding(libtorch).runtimeInfo();
    return { runtime, loadSeconds: (performance.now() - start) / 1000, openmp: openmpLibraries() };
  } catch (error) {
    const code = RewardModelScoreError.is(error) ? error.code : "ERR_ADDON";
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

/** Two OpenMP runtimes in one process compete for the same cores, or hang. */
function openmpLibraries(): string[] {
  if (process.platform !== "linux") return [];
  const mapped = readFileSync("/proc/self/maps", "utf8").split("\n");
  const paths = mapped.map((line) => /\s(\/.*)$/.exec(line)?.[1] ?? "");
  return [...new Set(paths.filter((path) => /\/lib(gomp|iomp5|omp)[.-][^/]*$/.test(path)))];
}

process.send!(probe(process.argv[2]!), () => process.disconnect());
