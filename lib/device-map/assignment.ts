import type { Dtype } from "../native/binding.js";
import type { DeviceMap } from "./infer.js";
import type { Placement } from "./place.js";

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
