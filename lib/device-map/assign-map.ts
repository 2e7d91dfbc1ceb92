import type { Assignment } from "./assignment.js";
import { findDevice, measuredLimits, toIndex, type Devices } from "./devices.js";
import type { GivenMap, Mode } from "./forms.js";
import { isAccelerator, type Limits } from "./limits.js";
import type { ModuleNode } from "./module-tree.js";
import type { Placeable, Processor } from "./placeable.js";
import { planDeviceMap, type Plan } from "./plan.js";

/** Puts one copy of a model where a map says, as far as it can be divided. */
export function assignMap(given: GivenMap, model: Placeable, devices: Devices): Assignment {
  const { map, stages, executionDevice, warnings } = model.place(given, (device) =>
    findDevice(devices, device),
  );
  const accelerators = new Set(Object.values(stages).filter((device) => isAccelerator(device)));
  const computing = accelerators.size > 0 ? [...accelerators] : ["cpu"];
  return {
    map: Object.fromEntries(Object.entries(map).map(([name, device]) => [name, toIndex(devices, device)])),
    dtype: model.dtypeOn(accelerators.size > 0 ? "accelerator" : "cpu"),
    replicas: [{ devices: computing, stages, executionDevice }],
    warnings,
  };
}

/**
 * Plans a map and puts a model where it says.
 *
 * @param limits undefined: what is free on the devices
 */
export function assignPlan(
  mode: Mode,
  limits: Limits | undefined,
  model: Placeable,
  devices: Devices,
): Assignment {
  const { map, warnings } = planModel(mode, limits ?? measuredLimits(devices), model, limits === undefined);
  const assignment = assignMap(map, model, devices);
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
export function planModel(
  mode: Mode,
  limits: Limits,
  model: Placeable,
  measured: boolean,
): Plan & { root: ModuleNode; warnings: string[] } {
  const planOn = (where: Processor) => {
    const root = model.modulesOn(where);
    return { root, ...planDeviceMap(root, mode, limits, measured) };
  };
  const first = planOn("accelerator");
  const plan = Object.values(first.map).some(isAccelerator) ? first : planOn("cpu");
  return { ...plan, warnings: mode === "balanced_low_0" ? needlessOffload(plan, limits, model) : [] };
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
function needlessOffload({ map }: Plan, limits: Limits, model: Placeable): string[] {
  const offloaded = Object.keys(map).filter((name) => !isAccelerator(map[name]!));
  const accelerators: Limits = new Map([...limits].filter(([device]) => isAccelerator(device)));
  const { map: filled } = planModel("sequential", accelerators, model, false);
  if (offloaded.length === 0 || !Object.values(filled).every(isAccelerator)) return [];
  return [
    `deviceMap "balanced_low_0" leaves ${offloaded.join(", ")} to the CPU or the disk although the accelerators have ` +
      `room, as it does in transformers: it counts on more in the others than fits. Use "auto" or "sequential".`,
  ];
}
