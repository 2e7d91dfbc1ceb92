import type { Processor } from "../device-map/placeable.js";
import type { Dtype, DtypeOption } from "../native/binding.js";

/**
 * What a model computes in, whatever form it has. float16 is emulated on a CPU, tens of times slower than float32, which
 * holds every float16 number: that is used there.
 */
export function computeDtype(option: DtypeOption, stored: Dtype, where: Processor): Dtype {
  const dtype = option === "auto" ? stored : option;
  return dtype === "float16" && where === "cpu" ? "float32" : dtype;
}
