import type { Processor } from "../device-map/placeable.js";
import type { Dtype } from "../native/binding.js";
import type { ResolvedOptions } from "../options.js";

type DtypeOption = ResolvedOptions["torchDtype"];

/**
 * What a model computes in, whatever form it has. float16 is emulated on a CPU, tens of times slower than float32, which
 * holds every float16 number: that is used there.
 */
export function computeDtype(option: DtypeOption, stored: Dtype, where: Processor): Dtype {
  const dtype = option === "auto" ? stored : option;
  return dtype === "float16" && where === "cpu" ? "float32" : dtype;
}

/** The same for every type that weights may be stored in. */
export function computeDtypes(option: DtypeOption, where: Processor): Record<Dtype, Dtype> {
  return {
    float32: computeDtype(option, "float32", where),
    bfloat16: computeDtype(option, "bfloat16", where),
    float16: computeDtype(option, "float16", where),
  };
}
