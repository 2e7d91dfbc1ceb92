import type { Stage } from "../architectures/stage.js";
import type { Dtype, TensorInfo } from "../native/binding.js";
import { checkpointTree, type WeightTypes } from "./checkpoint-tree.js";
import type { FindDevice } from "./devices.js";
import type { GivenMap } from "./forms.js";
import type { ModuleNode } from "./module-tree.js";
import { placeStages, type Placement } from "./place.js";

/** What a model computes on. The type that it computes in follows from it, and how much memory that takes. */
export type Processor = "cpu" | "accelerator";

/** What is put on devices: a model, of which nothing is in memory yet. */
export interface Placeable {
  /** What it computes in. */
  dtypeOn(where: Processor): Dtype;
  /** Its modules, with the bytes that they take in memory. */
  modulesOn(where: Processor): ModuleNode;
  /**
   * Puts it where a map says.
   *
   * @throws ERR_INVALID_OPTION for what has no device, ERR_NOT_SUPPORTED for what cannot be divided as the map says, and
   *   what `find` throws
   */
  place(map: GivenMap, find: FindDevice): Placed;
}

export interface Placed extends Placement {
  /** The map, as far as the model can follow it. */
  map: GivenMap;
}

/**
 * A built-in program, whose stages may be on different devices.
 *
 * @param tensors headers of its weights
 */
export function placeableStages(
  stages: readonly Stage[],
  tensors: readonly TensorInfo[],
  typesOn: (where: Processor) => WeightTypes,
): Placeable {
  return {
    dtypeOn: (where) => typesOn(where).dtype,
    modulesOn: (where) => checkpointTree(stages, tensors, typesOn(where)),
    place: (map, find) => ({ map, ...placeStages(stages, map, find) }),
  };
}
