import { RewardModelScoreError } from "../errors.js";
import type { DeviceInfo } from "../native/binding.js";
import type { Device, Limits } from "./limits.js";

/** Share of the host's free memory that a plan may use when nobody gave limits, as in transformers. */
const HOST_SHARE = 0.9;

/** The devices that libtorch found. */
export interface Devices {
  /** Indexes of accelerators, wherever they are given, count these. */
  accelerators: readonly Accelerator[];
  cpu: DeviceInfo | undefined;
  /** Why there is no CUDA device, where there is none. */
  cudaReason: string | undefined;
}

export interface Accelerator extends DeviceInfo {
  /** Why this model may not use it: a clause that says it of "cuda:1". */
  excluded?: string;
}

/** What a device is to libtorch: "cpu", "disk", "cuda:1". */
export type FindDevice = (device: string | number) => string;

/**
 * "cuda" is the first one that may be used.
 *
 * @throws ERR_DEVICE_UNAVAILABLE, never a silent run on another device
 */
export function findDevice(devices: Devices, device: string | number): string {
  if (device === "cpu" || device === "disk") return device;
  const [kind, ordinal] = typeof device === "number" ? [undefined, device] : parseDevice(device);
  const candidates = devices.accelerators.filter((candidate) => !kind || candidate.kind === kind);
  const found = ordinal === undefined ? candidates.find(({ excluded }) => !excluded) : candidates[ordinal];
  if (found && !found.excluded) return found.name;
  const reason = found ? `${found.name} ${found.excluded}.` : whatIsThere(devices, candidates, kind);
  throw new RewardModelScoreError(
    "ERR_DEVICE_UNAVAILABLE",
    `Device ${JSON.stringify(device)} cannot be used: ${reason} ` +
      `Set deviceMap to "cpu", or to a device that is there; "reward-model-score doctor" shows them.`,
    { device: String(device) },
  );
}

function parseDevice(device: string): [kind: string, ordinal: number | undefined] {
  const [kind, ordinal] = device.split(":");
  return [kind!, ordinal === undefined ? undefined : Number(ordinal)];
}

/** In the words of transformers: an accelerator's index, "cpu" or "disk". Throws as `findDevice`. */
export function toIndex(devices: Devices, device: string | number): Device {
  const name = findDevice(devices, device);
  if (name === "cpu" || name === "disk") return name;
  return devices.accelerators.findIndex((accelerator) => accelerator.name === name);
}

/** The end of a sentence that says why a device is none: which ones there are, or why there are none. */
export function whatIsThere(
  devices: Devices,
  candidates: readonly Accelerator[],
  kind: string | undefined,
): string {
  const usable = candidates.filter(({ excluded }) => !excluded);
  if (usable.length > 0) return `there are only ${usable.map(({ name }) => name).join(", ")}.`;
  if (kind === "mps") return "the engine has no support for MPS.";
  return devices.cudaReason ? `${devices.cudaReason.replace(/\.?$/, ".")}` : "there is no accelerator.";
}

/** The accelerators that this model may use, with their indexes. */
export function usableAccelerators({ accelerators }: Devices): { index: number; device: Accelerator }[] {
  return accelerators.map((device, index) => ({ index, device })).filter(({ device }) => !device.excluded);
}

/** Limits when nobody gave some: what is free on each accelerator, and most of what is free on the host. */
export function measuredLimits(devices: Devices): Limits {
  const limits: Limits = new Map(
    usableAccelerators(devices).map(({ index, device }) => [index, device.free]),
  );
  if (devices.cpu) limits.set("cpu", HOST_SHARE * devices.cpu.free);
  return limits;
}
