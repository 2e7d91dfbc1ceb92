import { inferDeviceMap, type InferredMap } from "./infer.js";
import { balanceLimits, type Limits } from "./limits.js";
import type { Mode } from "./forms.js";
import type { ModuleNode } from "./module-tree.js";

export interface Plan extends InferredMap {
  /** The limits that the map was made for, after balancing. */
  limits: Limits;
}

/**
 * Plans a device map as transformers' `from_pretrained` does.
 *
 * @param measured the limits are what is free on the devices, not what somebody asked for
 */
export function planDeviceMap(
  root: ModuleNode,
  mode: Mode,
  limits: Limits,
  measured: boolean,
  tiedGroups: readonly string[][] = [],
): Plan {
  const balanced =
    mode === "sequential"
      ? limits
      : balanceLimits(root, limits, { lowZero: mode === "balanced_low_0", measured });
  return { limits: balanced, ...inferDeviceMap(root, balanced, tiedGroups) };
}
