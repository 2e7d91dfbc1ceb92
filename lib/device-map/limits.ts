import { RewardModelScoreError } from "../errors.js";
import { parseMemorySize } from "./memory-size.js";
import { directTensorBytes, sizeOf, type ModuleNode, walkModules } from "./module-tree.js";

/** An accelerator's index, or one of the other places for weights. */
export type Device = number | "mps" | "cpu" | "disk";

/** True for what computes by itself; "cpu" and "disk" hold weights that an accelerator may compute with. */
export function isAccelerator(device: string | number): boolean {
  return device !== "cpu" && device !== "disk";
}

/** Bytes per device in the order in which devices are filled. May hold fractions, as a share of a size is one. */
export type Limits = Map<Device, number>;

/**
 * Reads `maxMemory`: accelerators by index in ascending order, then mps, cpu and disk.
 *
 * @throws ERR_INVALID_OPTION for an unknown device or a malformed size
 */
export function readLimits(maxMemory: Record<string, string | number>): Limits {
  const entries = Object.entries(maxMemory).map(
    ([name, size]) => [readDevice(name), parseMemorySize(size)] as const,
  );
  return new Map(entries.toSorted(([a], [b]) => rank(a) - rank(b)));
}

function readDevice(name: string): Device {
  if (/^\d+$/.test(name)) return Number(name);
  if (name === "mps" || name === "cpu" || name === "disk") return name;
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `maxMemory: device ${JSON.stringify(name)} is not known. Devices are indexes of accelerators (0, 1, …), "mps", "cpu" and "disk".`,
    { option: "maxMemory" },
  );
}

const LAST = ["mps", "cpu", "disk"];
function rank(device: Device): number {
  return typeof device === "number" ? device : Number.MAX_SAFE_INTEGER - LAST.length + LAST.indexOf(device);
}

export interface BalanceOptions {
  /** Leave as much of device 0 free as the others allow. */
  lowZero: boolean;
  /** The limits are what is free, not what somebody asked for: a lone accelerator then keeps a tenth for itself. */
  measured: boolean;
}

/**
 * Lowers the accelerators' limits so that a model is spread over all of them rather than filling the first ones.
 * Every accelerator but the last gets an equal share plus room for one more block; the last keeps its limit, in case
 * the room was not enough. The rules are those of transformers' `device_map="balanced"`.
 */
export function balanceLimits(root: ModuleNode, limits: Limits, options: BalanceOptions): Limits {
  const balanced: Limits = new Map(limits);
  const counted = [...limits].filter(([device, limit]) => isAccelerator(device) && limit > 0);
  if (counted.length === 0) return balanced;
  const lowZero = options.lowZero && counted.length > 1;
  const indexes = counted.map(([device]) => device).filter((device) => typeof device === "number");
  if (counted.length === 1 && options.measured && indexes.length === 1) {
    balanced.set(indexes[0]!, 0.9 * balanced.get(indexes[0]!)!);
  }

  const total = sizeOf(root);
  const share = Math.floor(total / (lowZero ? counted.length - 1 : counted.length)) + spareRoom(root);
  for (const index of indexes.slice(0, -1)) {
    const own = balanced.get(index)!;
    balanced.set(index, lowZero && index === 0 ? own : Math.min(share, own));
  }
  if (lowZero) {
    let others = 0;
    for (let index = 1; index < counted.length; index++) others += balanced.get(index) ?? 0;
    balanced.set(0, Math.min(Math.max(0, total - others), balanced.get(0) ?? 0));
  }
  return balanced;
}

/** 1.25 × the largest block that is never split, or the mean of what modules own themselves if that is more. */
function spareRoom(root: ModuleNode): number {
  let largestBlock = 0;
  let owned = 0;
  let owners = 0;
  for (const module of walkModules(root)) {
    if (module.noSplit) largestBlock = Math.max(largestBlock, sizeOf(module));
    const bytes = directTensorBytes(module);
    if (bytes !== undefined && module !== root) {
      owned += bytes;
      owners++;
    }
  }
  const mean = Math.trunc(owned / Math.max(owners, 1));
  return Math.trunc(1.25 * Math.max(largestBlock, mean));
}
