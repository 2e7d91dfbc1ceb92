import { RewardModelScoreError } from "../errors.js";
import type { Stage } from "../architectures/stage.js";
import { modulePath, stageModule, stageTensors } from "./checkpoint-tree.js";
import type { FindDevice } from "./devices.js";
import { expandDeviceMap, requireCoverage, type GivenMap } from "./forms.js";
import { isAccelerator } from "./limits.js";

/** Where a program's stages go, in the words of the engine. */
export interface Placement {
  /** Stage name → "cpu", "disk", "cuda:0", … */
  stages: Record<string, string>;
  /** Where stages on "cpu" and "disk" are computed. */
  executionDevice: string;
  warnings: string[];
}

/**
 * Gives every stage of a program the device that a map has for its tensors.
 *
 * @throws ERR_INVALID_OPTION for tensors without a device, ERR_NOT_SUPPORTED for a block on several devices, and what
 *   `find` throws
 */
export function placeStages(stages: readonly Stage[], map: GivenMap, find: FindDevice): Placement {
  const resolved = Object.fromEntries(Object.entries(map).map(([name, device]) => [name, find(device)]));
  const pathsOf = (stage: Stage) => stageTensors(stage).map((tensor) => modulePath(stage, tensor));
  const tensors = stages.flatMap(pathsOf);
  // Rotary embeddings have no tensors in a checkpoint, but are modules that a map may name.
  const modules = stages.filter((stage) => stageTensors(stage).length === 0).map(stageModule);
  const { devices, uncovered, unknown } = expandDeviceMap(resolved, [...tensors, ...modules]);
  requireCoverage(uncovered.filter((name) => !modules.includes(name)));

  const placed: Record<string, string> = {};
  const accelerators = [...devices.values()].filter(isAccelerator);
  const executionDevice = accelerators.toSorted(byOrdinal)[0] ?? "cpu";
  for (const stage of stages) {
    const own = pathsOf(stage).map((path) => devices.get(path)!);
    placed[stage.name] =
      own.length > 0 ? oneDevice(stage, own) : computedOn(devices.get(stageModule(stage)), executionDevice);
  }
  return { stages: placed, executionDevice, warnings: warningsOf(resolved, unknown, tensors, devices) };
}

/** The first device of a head that is divided: its products are small. A block's residual connection keeps it whole. */
function oneDevice(stage: Stage, devices: readonly string[]): string {
  const distinct = [...new Set(devices)];
  if (distinct.length === 1 || !stage.block) return distinct[0]!;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `deviceMap divides ${stage.name} between ${distinct.join(" and ")}. A decoder layer runs on one device: ` +
      `give "${stage.name}" one, or leave out the names below it.`,
    { feature: "a decoder layer on several devices" },
  );
}

/** What has no weights needs no room, so it is never offloaded. */
function computedOn(device: string | undefined, executionDevice: string): string {
  return device === undefined || !isAccelerator(device) ? executionDevice : device;
}

function byOrdinal(a: string, b: string): number {
  return Number(a.split(":")[1] ?? 0) - Number(b.split(":")[1] ?? 0);
}

function warningsOf(
  map: Record<string, string>,
  unknown: readonly string[],
  tensors: readonly string[],
  devices: ReadonlyMap<string, string>,
): string[] {
  const warnings: string[] = [];
  if (unknown.length > 0) {
    warnings.push(`deviceMap names modules that the model does not have: ${unknown.join(", ")}.`);
  }
  const differing = tensors.find((tensor) => transformersDevice(map, tensor) !== devices.get(tensor));
  if (differing !== undefined) {
    warnings.push(
      `transformers would put ${differing} on ${transformersDevice(map, differing)} by this deviceMap, as it takes names ` +
        `for mere beginnings ("layers.1" for "layers.10"); here it is on ${devices.get(differing)}.`,
    );
  }
  return warnings;
}

/** Its `expand_device_map`: names with more dots first, then longer ones, as beginnings of a tensor's name. */
function transformersDevice(map: Record<string, string>, tensor: string): string | undefined {
  const dots = (name: string) => name.split(".").length;
  const names = Object.keys(map).toSorted((a, b) => dots(b) - dots(a) || b.length - a.length);
  const name = names.find((candidate) => tensor.startsWith(candidate));
  return name === undefined ? undefined : map[name];
}
