import { RewardModelScoreError } from "../errors.js";

export const MODES = ["auto", "balanced", "balanced_low_0", "sequential"] as const;
export type Mode = (typeof MODES)[number];

/** Module name → device, as it was given. A name covers everything below it, "" the whole model. */
export type GivenMap = Record<string, string | number>;

/** What `deviceMap` asks for: a plan to be made, or a map that was given. Devices of a given map stay as written. */
export type DeviceRequest = { mode: Mode } | { map: GivenMap };

/**
 * Reads every form of `deviceMap` that transformers takes.
 *
 * @param localRank `LOCAL_RANK` of the process: where a launcher set it, `"cuda"` means that device, else any
 * @throws ERR_INVALID_OPTION
 */
export function readDeviceMap(
  deviceMap: string | number | GivenMap | null,
  localRank: number | undefined,
): DeviceRequest {
  if (deviceMap === null) return { map: { "": "cpu" } };
  if (typeof deviceMap === "object") {
    for (const device of Object.values(deviceMap)) requireDevice(device, "deviceMap", deviceMap);
    return { map: deviceMap };
  }
  if (typeof deviceMap === "string" && (MODES as readonly string[]).includes(deviceMap))
    return { mode: deviceMap as Mode };
  requireDevice(deviceMap, "deviceMap", deviceMap);
  const isRanked = deviceMap === "cuda" && localRank !== undefined;
  return { map: { "": isRanked ? `cuda:${localRank}` : deviceMap } };
}

/** @throws ERR_INVALID_OPTION for what is no device, or no index of one */
export function requireDevice(device: string | number, option: string, given: unknown): void {
  const known =
    typeof device === "number"
      ? Number.isInteger(device) && device >= 0
      : /^(cpu|disk|mps|cuda(:\d+)?)$/.test(device);
  if (known) return;
  const words = typeof device === "number" ? "a negative or fractional index" : "no device";
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `${option} ${JSON.stringify(given)}: ${JSON.stringify(device)} is ${words}. Devices are "cpu", "disk", "cuda", ` +
      `"cuda:0", … and indexes of accelerators. deviceMap is one of them, a mode ` +
      `(${MODES.map((mode) => `"${mode}"`).join(", ")}), or an object from module names to devices.`,
    { option },
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
