import { RewardModelScoreError } from "../errors.js";
import type { Assignment, PlaceableProgram } from "./assignment.js";
import { checkpointTree } from "./checkpoint-tree.js";
import { findDevice, measuredLimits, toIndex, type Devices } from "./devices.js";
import type { GivenMap, Mode } from "./forms.js";
import { isAccelerator, type Limits } from "./limits.js";
import type { ModuleNode } from "./module-tree.js";
import { placeStages } from "./place.js";
import { planDeviceMap, type Plan } from "./plan.js";

/** Puts one copy of a program where a map says, as `placeStages` does. */
export function assignMap(given: GivenMap, program: PlaceableProgram, devices: Devices): Assignment {
  const map = program.isWhole ? onOneDevice(given, devices) : given;
  const { stages, executionDevice, warnings } = placeStages(program.stages, map, (device) =>
    findDevice(devices, device),
  );
  const accelerators = new Set(Object.values(stages).filter((device) => isAccelerator(device)));
  const computing = accelerators.size > 0 ? [...accelerators] : ["cpu"];
  return {
    map: Object.fromEntries(Object.entries(map).map(([name, device]) => [name, toIndex(devices, device)])),
    dtype: program.typesOn(accelerators.size > 0 ? "accelerator" : "cpu").dtype,
    replicas: [{ devices: computing, stages, executionDevice }],
    warnings,
  };
}

/** Whatever the names in the map: a graph has none. */
function onOneDevice(map: GivenMap, devices: Devices): GivenMap {
  const [device, ...others] = new Set(Object.values(map).map((device) => findDevice(devices, device)));
  if (device === undefined) return map;
  if (others.length === 0) return { "": device };
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `deviceMap divides a TorchScript archive between ${[device, ...others].join(", ")}. The graph of an archive runs on ` +
      `one device as a whole: name that one. The model's weights, where their architecture is built in, and what ` +
      `"reward-model-score export" makes of them can be divided.`,
    { feature: "an archive on several devices" },
  );
}

/**
 * Plans a map and puts a program where it says.
 *
 * @param limits undefined: what is free on the devices
 */
export function assignPlan(
  mode: Mode,
  limits: Limits | undefined,
  program: PlaceableProgram,
  devices: Devices,
): Assignment {
  const { map, warnings } = planProgram(
    mode,
    limits ?? measuredLimits(devices),
    program,
    limits === undefined,
  );
  const assignment = assignMap(map, program, devices);
  return {
    ...assignment,
    warnings: [...missingAccelerators(limits, devices), ...warnings, ...assignment.warnings],
  };
}

/**
 * Plans with the sizes that the weights have in memory, which depend on where the model computes.
 *
 * @param measured see `planDeviceMap`
 */
export function planProgram(
  mode: Mode,
  limits: Limits,
  program: PlaceableProgram,
  measured: boolean,
): Plan & { root: ModuleNode; warnings: string[] } {
  const planOn = (where: "cpu" | "accelerator") => {
    const root = checkpointTree(program.stages, program.tensors, program.typesOn(where));
    return { root, ...planDeviceMap(root, mode, limits, measured) };
  };
  const first = planOn("accelerator");
  const plan = Object.values(first.map).some(isAccelerator) ? first : planOn("cpu");
  return { ...plan, warnings: mode === "balanced_low_0" ? needlessOffload(plan, limits, program) : [] };
}

/** transformers warns too; that one of them is used after all is an error later. */
function missingAccelerators(limits: Limits | undefined, { accelerators }: Devices): string[] {
  const missing = [...(limits?.keys() ?? [])].filter(
    (device) => typeof device === "number" && device >= accelerators.length,
  );
  if (missing.length === 0) return [];
  const there = accelerators.map(({ name }) => name).join(", ") || "none";
  return [`maxMemory names accelerators that are not there: ${missing.join(", ")}. There are: ${there}.`];
}

/** "balanced_low_0" gives device 0 what the others' limits leave, and those are not filled to the brim. */
function needlessOffload({ map }: Plan, limits: Limits, program: PlaceableProgram): string[] {
  const offloaded = Object.keys(map).filter((name) => !isAccelerator(map[name]!));
  const accelerators: Limits = new Map([...limits].filter(([device]) => isAccelerator(device)));
  const { map: filled } = planProgram("sequential", accelerators, program, false);
  if (offloaded.length === 0 || !Object.values(filled).every(isAccelerator)) return [];
  return [
    `deviceMap "balanced_low_0" leaves ${offloaded.join(", ")} to the CPU or the disk although the accelerators have ` +
      `room, as it does in transformers: it counts on more in the others than fits. Use "auto" or "sequential".`,
  ];
}
