import type { Architecture } from "../../architectures/architecture.js";
import { isFloat8 } from "../../architectures/float8.js";
import type { TensorInfo } from "../../native/binding.js";

/** What activations were scaled by where they were quantized too. */
const OF_ACTIVATIONS = /\.(?:input|output|activation|[qkv])_scale(?:_ub)?$/;

/** What is told of weights that are stored in numbers that no model computes in. */
export function toldOfNumbers(
  tensors: readonly TensorInfo[],
  { unusedTensors, dtype }: Pick<Architecture, "unusedTensors" | "dtype">,
): string[] {
  const unused = new Set(unusedTensors);
  const used = tensors.filter(({ name }) => !unused.has(name));
  const types = [
    ...new Set(used.map((tensor) => tensor.dtype).filter((type) => type === "F64" || isFloat8(type))),
  ];
  if (types.length === 0) return [];
  const isScaled = used.some(({ name }) => /_scale(?:_inv)?$/.test(name));
  const activation = unusedTensors.find((name) => OF_ACTIVATIONS.test(name));
  return [
    `Weights are stored in ${types.sort().join(" and ")}${isScaled ? " with scales" : ""}. They are read into the dtype that ` +
      `the model computes in (${dtype} unless torchDtype or the device says otherwise), and take the memory of that.` +
      (activation === undefined
        ? ""
        : ` Activations are not quantized: their scales (${JSON.stringify(activation)}, …) are not used.`),
  ];
}
