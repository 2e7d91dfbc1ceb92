import { RewardModelScoreError } from "../errors.js";
import type { DeviceInfo } from "../native/binding.js";
import type { Limits } from "./limits.js";

/** Share of the host's free memory that a plan may use when nobody gave limits, as in transformers. */
const HOST_SHARE = 0.9;

/** The devices that a map can name: what libtorch found, or the part of it that this model may use. */
export interface Devices {
  accelerators: readonly DeviceInfo[];
  cpu: DeviceInfo | undefined;
  /** Why there is no CUDA device, where there is none. */
  cudaReason: string | undefined;
}

/** What a device is to libtorch: "cpu", "disk", "cuda:1". Indexes count the accelerators. */
export type FindDevice = (device: string | number) => string;

/** @throws ERR_DEVICE_UNAVAILABLE, never a silent run on another device */
export function findDevice(devices: Devices, device: string | number): string {
  if (device === "cpu" || device === "disk") return device;
  const [kind, ordinal] = typeof device === "number" ? [undefined, device] : parseDevice(device);
  const candidates = devices.accelerators.filter((candidate) => !kind || candidate.kind === kind);
  const found = candidates[ordinal];
  if (found) return found.name;
  throw new RewardModelScoreError(
    "ERR_DEVICE_UNAVAILABLE",
    `Device ${JSON.stringify(device)} cannot be used: ${whatIsThere(devices, candidates, kind)} ` +
      `Set deviceMap to "cpu", or to a device that is there; "reward-model-score doctor" shows them.`,
    { device: String(device) },
  );
}

function parseDevice(device: string): [kind: string, ordinal: number] {
  const [kind, ordinal = "0"] = device.split(":");
  return [kind!, Number(ordinal)];
}

function whatIsThere(devices: Devices, candidates: readonly DeviceInfo[], kind: string | undefined): string {
  if (candidates.length > 0) return `there are only ${candidates.map(({ name }) => name).join(", ")}.`;
  if (kind === "mps") return "the engine has no support for MPS.";
  return devices.cudaReason ? `${devices.cudaReason.replace(/\.?$/, ".")}` : "there is no accelerator.";
}

/** Limits when nobody gave some: what is free on each accelerator, and most of what is free on the host. */
export function measuredLimits({ accelerators, cpu }: Devices): Limits {
  const limits: Limits = new Map(accelerators.map(({ free }, index) => [index, free]));
  if (cpu) limits.set("cpu", HOST_SHARE * cpu.free);
  return limits;
}
