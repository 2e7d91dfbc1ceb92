import { isAccelerator, type Device, type Limits } from "./limits.js";
import { sizeOf, type ModuleNode } from "./module-tree.js";

/** Module or tensor name → device; a name covers everything below it, "" the whole model. */
export type DeviceMap = Record<string, Device>;

export interface Boundary {
  /** The first unit that went to the next device. */
  unit: string;
  bytes: number;
  from: Device;
  to: Device;
  /** Bytes used on `from`, and its limit. */
  used: number;
  limit: number;
  /** Bytes kept free on `from` for the largest unit that is offloaded and brought back. */
  reserved: number;
}

export interface InferredMap {
  map: DeviceMap;
  /** Why each device ended where it did. */
  boundaries: Boundary[];
}

/** What waits for a device: a module, or a tensor that belongs to a module which was split. */
interface Unit {
  name: string;
  bytes: number;
  module?: ModuleNode;
}

/**
 * Fills the devices in order with the model's modules in order. A module that does not fit is split into its tensors
 * and children, unless it is a block; a block that does not fit moves on to the next device, and no device is gone
 * back to. The first accelerator and the CPU beside it keep room for the largest block: offloaded blocks are computed
 * there. Disk is last and has no limit.
 *
 * @param tiedGroups full names of tensors that are one tensor: a unit takes the units of its tied tensors with it
 */
export function inferDeviceMap(
  root: ModuleNode,
  limits: Limits,
  tiedGroups: readonly string[][] = [],
): InferredMap {
  const devices = [...limits.keys()];
  if (!devices.includes("disk")) devices.push("disk");
  const accelerators = devices.filter(isAccelerator);
  const reserving = accelerators.includes("mps") ? ["mps"] : [...accelerators.slice(0, 1), "cpu"];

  let queue = unitsOf(root, "", true);
  let largest = largestUnits(queue);
  const map: DeviceMap = {};
  const boundaries: Boundary[] = [];
  let current = 0;
  let used = 0;
  while (queue.length > 0) {
    const unit = queue.shift()!;
    largest.names = largest.names.filter((name) => name !== unit.name && !name.startsWith(`${unit.name}.`));
    if (largest.names.length === 0) largest = largestUnits(queue.filter(({ module }) => module));

    const device = devices[current]!;
    const reserved = reserving.includes(device) ? largest.bytes : 0;
    const limit = device === "disk" ? Infinity : limits.get(device)!;
    const companions = tiedUnits(unit, queue, tiedGroups);
    const bytes = companions.reduce((sum, companion) => sum + companion.bytes, unit.bytes);
    if (used + bytes <= limit - reserved) {
      used += bytes;
      for (const { name } of [unit, ...companions]) map[name] = device;
      queue = queue.filter((waiting) => !companions.includes(waiting));
      continue;
    }

    const splittable = companions.find(isSplittable);
    if (splittable && used + unit.bytes <= limit - reserved) {
      queue = [
        unit,
        ...queue.flatMap((waiting) =>
          waiting === splittable ? unitsOf(waiting.module!, waiting.name) : [waiting],
        ),
      ];
      largest = largestUnits(queue.filter(({ module }) => module));
    } else if (isSplittable(unit)) {
      queue = [...unitsOf(unit.module!, unit.name), ...queue];
      largest = largestUnits(queue.filter(({ module }) => module));
    } else {
      boundaries.push({
        unit: unit.name,
        bytes,
        from: device,
        to: devices[current + 1]!,
        used,
        limit,
        reserved,
      });
      queue.unshift(unit);
      current++;
      used = 0;
    }
  }
  return { map: mergePrefixes(map), boundaries };
}

/**
 * A module's own tensors, then its children. The buffers of a module that is split stay with whatever covers it;
 * only the root's are units.
 */
function unitsOf(module: ModuleNode, prefix: string, isRoot = false): Unit[] {
  const full = (name: string) => (prefix === "" ? name : `${prefix}.${name}`);
  const units: Unit[] = module.parameters.map(({ name, bytes }) => ({ name: full(name), bytes }));
  for (const child of module.children)
    units.push({ name: full(child.name), bytes: sizeOf(child), module: child });
  if (isRoot) units.push(...module.buffers.map(({ name, bytes }) => ({ name: full(name), bytes })));
  return units;
}

function isSplittable({ module }: Unit): boolean {
  return module !== undefined && module.children.length > 0 && !module.noSplit;
}

/** The size of the largest thing that can only be moved as a whole, and the names of all that are that large. */
function largestUnits(units: readonly Unit[]): { bytes: number; names: string[] } {
  let largest = { bytes: 0, names: [] as string[] };
  const visit = (unit: Unit) => {
    if (isSplittable(unit)) {
      for (const child of unit.module!.children) {
        visit({ name: `${unit.name}.${child.name}`, bytes: sizeOf(child), module: child });
      }
    } else if (unit.bytes > largest.bytes) {
      largest = { bytes: unit.bytes, names: [unit.name] };
    } else if (unit.bytes === largest.bytes) {
      largest.names.push(unit.name);
    }
  };
  units.forEach(visit);
  return largest;
}

/** The waiting units that hold a tensor which is tied to one inside `unit`. */
function tiedUnits(unit: Unit, queue: readonly Unit[], tiedGroups: readonly string[][]): Unit[] {
  // As in transformers: "inside" means that the dotted name occurs anywhere in the tensor's.
  const inside = (tensor: string) => `${tensor}.`.includes(`${unit.name}.`);
  const companions = new Set<Unit>();
  for (const group of tiedGroups) {
    if (!group.some(inside)) continue;
    for (const tensor of group.filter((name) => !inside(name))) {
      const holder = queue.find(({ name }) => tensor.startsWith(`${name}.`));
      if (holder) companions.add(holder);
    }
  }
  return [...companions];
}

/** Replaces entries that share a prefix and a device by the prefix, from the top down. */
function mergePrefixes(map: DeviceMap, prefix = ""): DeviceMap {
  const below = Object.keys(map).filter((name) => prefix === "" || name.startsWith(`${prefix}.`));
  if (below.length > 1 && new Set(below.map((name) => map[name])).size === 1) {
    const device = map[below[0]!]!;
    const rest = Object.entries(map).filter(([name]) => !below.includes(name));
    return Object.fromEntries([...rest, [prefix, device]]);
  }
  const depth = prefix === "" ? 1 : prefix.split(".").length + 1;
  const children = new Set(
    below
      .filter((name) => name.split(".").length > depth)
      .map((name) => name.split(".").slice(0, depth).join(".")),
  );
  return [...children].reduce((merged, child) => mergePrefixes(merged, child), map);
}
