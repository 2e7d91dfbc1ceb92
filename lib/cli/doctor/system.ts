import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { glibcVersion } from "../../native/glibc.js";

/** What TorchScript programs gain from; a CPU has dozens of other features. */
const CPU_FEATURES =
  /^(avx2|fma|f16c|avx512f|avx512_bf16|avx512_vnni|avx512_fp16|avx_vnni|amx_\w+|asimd\w*|bf16|sve2?|i8mm)$/;

export interface SystemReport {
  node: string;
  platform: string;
  nodeApi: string;
  /** undefined where the C library is another one. */
  glibc: string | undefined;
  cpu: { model: string; logicalCores: number; features: string[] };
  memoryBytes: number;
}

export function inspectSystem(): SystemReport {
  return {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    nodeApi: process.versions.napi ?? "",
    glibc: glibcVersion(),
    cpu: {
      model: cpus()[0]?.model ?? "unknown",
      logicalCores: availableParallelism(),
      features: cpuFeatures(),
    },
    memoryBytes: totalmem(),
  };
}

function cpuFeatures(): string[] {
  const list = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readText("/proc/cpuinfo"))?.[1] ?? "";
  return list.split(" ").filter((feature) => CPU_FEATURES.test(feature));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
