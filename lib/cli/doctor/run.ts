import { formatBytes } from "../../io/format.js";
import { printable } from "../../printable.js";
import { packageVersion } from "../../version.js";
import { type DoctorReport, inspect } from "./inspect.js";

export interface DoctorFlags {
  json?: boolean;
  libtorch?: string;
}

export async function runDoctor({ json, libtorch }: DoctorFlags): Promise<void> {
  const report = await inspect(packageVersion(), libtorch);
  process.stdout.write(`${json ? JSON.stringify(report, null, 2) : printable(describe(report))}\n`);
  if (!report.ok) process.exitCode = 1;
}

/** How each place that is searched is called. */
const SOURCES = {
  option: "given by --libtorch",
  LIBTORCH: "named by LIBTORCH",
  cache: "in the cache that setup fills",
  python: "Python's torch",
};

function describe(report: DoctorReport): string {
  const { system, libtorch, addon, runtime } = report;
  const openmp = runtime?.openmp;
  const entries: [string, string | undefined][] = [
    ["reward-model-score", report.version],
    ["Node.js", `${system.node} (${system.platform}, Node-API ${system.nodeApi})`],
    ["glibc", system.glibc],
    ["CPU", `${system.cpu.model}, ${system.cpu.logicalCores} logical cores`],
    ["CPU features", system.cpu.features.join(" ") || undefined],
    ["memory", formatBytes(system.memoryBytes)],
    [
      "libtorch",
      libtorch && `${libtorch.version ?? ""} ${libtorch.root} (${SOURCES[libtorch.source]})`.trim(),
    ],
    ["addon", addon],
    ["loads in", report.loadSeconds === undefined ? undefined : `${report.loadSeconds.toFixed(2)} s`],
    ["kernels for", runtime?.cpuCapability],
    ["threads", runtime?.threads.toString()],
    [
      "OpenMP",
      openmp && (openmp.length > 1 ? `${openmp.join(", ")}: more than one, expect trouble` : openmp[0]),
    ],
    ["demo score", report.demoScore?.toFixed(4)],
    ["CUDA", runtime && describeCuda(runtime.cuda)],
  ];
  const known = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  const lines = known.map(([name, value]) => `${`${name}:`.padEnd(20)}${value}`);
  const problems = report.problems.map(({ code, message }) => `${code}: ${message}`);
  const verdict = report.ok ? "Scoring works here." : "Scoring would fail:";
  return [...lines, "", verdict, ...problems].join("\n");
}

function describeCuda({ available, devices, reason }: NonNullable<DoctorReport["runtime"]>["cuda"]): string {
  return available ? devices.join(", ") : `no: ${reason ?? "unknown reason"}`;
}
