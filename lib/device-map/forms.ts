import { RewardModelScoreError } from "../errors.js";

export const MODES = ["auto", "balanced", "balanced_low_0", "sequential"] as const;
export type Mode = (typeof MODES)[number];

/** What `deviceMap` asks for: a plan to be made, or a map that was given. Devices of a given map stay as written. */
export type DeviceRequest = { mode: Mode } | { map: Record<string, string | number> };

/**
 * Reads every form of `deviceMap` that transformers takes.
 *
 * @param localRank what `"cuda"` means: the `LOCAL_RANK` of the process
 * @throws ERR_INVALID_OPTION
 */
export function readDeviceMap(
  deviceMap: string | number | Record<string, string | number> | null,
  localRank = 0,
): DeviceRequest {
  if (deviceMap === null) return { map: { "": "cpu" } };
  if (typeof deviceMap === "object") {
    for (const device of Object.values(deviceMap)) requireDevice(device, deviceMap);
    return { map: deviceMap };
  }
  if (typeof deviceMap === "string" && (MODES as readonly string[]).includes(deviceMap))
    return { mode: deviceMap as Mode };
  requireDevice(deviceMap, deviceMap);
  return { map: { "": deviceMap === "cuda" ? `cuda:${localRank}` : deviceMap } };
}

function requireDevice(device: string | number, given: unknown): void {
  if (
    typeof device === "number"
      ? Number.isInteger(device) && device >= 0
      : /^(cpu|disk|mps|cuda(:\d+)?)$/.test(device)
  ) {
    return;
  }
  const words = typeof device === "number" ? "a negative or fractional index" : "no device";
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `deviceMap ${JSON.stringify(given)}: ${JSON.stringify(device)} is ${words}. Use "cpu", "cuda", "cuda:0", an index, ` +
      `${MODES.map((mode) => `"${mode}"`).join(", ")}, or an object from module names to "cpu", "disk" or an accelerator.`,
    { option: "deviceMap" },
  );
}

/**
 * The device of each tensor: the longest dotted prefix in the map wins, "" stands for everything.
 *
 * @returns the tensors nobody covers, and the names in the map that cover nothing
 */
export function expandDeviceMap<D>(
  map: Record<string, D>,
  tensors: readonly string[],
): { devices: Map<string, D>; uncovered: string[]; unknown: string[] } {
  const devices = new Map<string, D>();
  const uncovered: string[] = [];
  const used = new Set<string>();
  for (const tensor of tensors) {
    const name = coveringName(map, tensor);
    if (name === undefined) uncovered.push(tensor);
    else {
      used.add(name);
      devices.set(tensor, map[name]!);
    }
  }
  const unknown = Object.keys(map).filter(
    (name) => !used.has(name) && !tensors.some((tensor) => isBelow(tensor, name)),
  );
  return { devices, uncovered, unknown };
}

function coveringName(map: Record<string, unknown>, tensor: string): string | undefined {
  for (let name = tensor; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
    if (Object.hasOwn(map, name)) return name;
  }
  return Object.hasOwn(map, "") ? "" : undefined;
}

function isBelow(tensor: string, name: string): boolean {
  return name === "" || tensor === name || tensor.startsWith(`${name}.`);
}

/** @throws ERR_INVALID_OPTION that lists the tensors a map leaves without a device */
export function requireCoverage(uncovered: readonly string[]): void {
  if (uncovered.length === 0) return;
  const shown =
    uncovered.slice(0, 10).join(", ") + (uncovered.length > 10 ? `, … (${uncovered.length} in all)` : "");
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `deviceMap gives no device for ${shown}. Add their modules, or "" for everything that is not named.`,
    { option: "deviceMap" },
  );
}
