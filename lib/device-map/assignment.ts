import type { Stage } from "../architectures/stage.js";
import type { Dtype, TensorInfo } from "../native/binding.js";
import type { WeightTypes } from "./checkpoint-tree.js";
import type { DeviceMap } from "./infer.js";
import type { Placement } from "./place.js";

/** What is put on devices: the stages of a built-in program, and the headers of its weights. */
export interface PlaceableProgram {
  stages: readonly Stage[];
  tensors: readonly TensorInfo[];
  /** The one stage is a graph that nothing of can be put elsewhere. */
  isWhole?: true;
  /** What it computes in, and its size follows. */
  typesOn: (where: "cpu" | "accelerator") => WeightTypes;
}

/** One copy of the model, in the words of the engine. */
export interface ReplicaPlacement extends Pick<Placement, "stages" | "executionDevice"> {
  /** The devices that compute. */
  devices: string[];
}

/** Where a model goes. */
export interface Assignment {
  /** In the words of transformers. Where there are several replicas, that of the first. */
  map: DeviceMap;
  dtype: Dtype;
  /** One at least. */
  replicas: ReplicaPlacement[];
  warnings: string[];
}
