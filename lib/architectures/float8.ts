import type { TensorInfo, WeightScale } from "../native/binding.js";

export type BlockSize = WeightScale["block"];

/** Behind the name of a weight: of DeepSeek's blocks, and of tensors and output channels. All are multiplied. */
export const SCALES = ["_scale_inv", "_scale"];

export function isFloat8(dtype: string): boolean {
  return dtype === "F8_E4M3" || dtype === "F8_E5M2";
}

/**
 * What each scale of a weight covers: the blocks that the config names, cut at the edges, or equal parts, of which a
 * whole tensor and a row are the plainest. A stack of matrices has scales for each of them.
 *
 * @returns undefined where the shapes do not fit
 */
export function blockOf(
  weight: TensorInfo,
  scale: TensorInfo,
  [rows, columns]: BlockSize,
): BlockSize | undefined {
  const stack = weight.shape.slice(0, -2);
  const [height = 1, width = 1] = weight.shape.length > 1 ? weight.shape.slice(-2) : [1, ...weight.shape];
  const count = product(scale.shape);
  if (count === product(stack)) return [height, width];
  const last = scale.shape.at(-1)!;
  if (count === product(stack) * height && (last === 1 || scale.shape.length === stack.length + 1))
    return [1, width];
  if (scale.shape.length !== weight.shape.length || !stack.every((size, i) => size === scale.shape[i]))
    return undefined;
  const [down = 1, across = 1] = scale.shape.length > 1 ? scale.shape.slice(-2) : [1, ...scale.shape];
  if (down === Math.ceil(height / rows) && across === Math.ceil(width / columns)) return [rows, columns];
  return height % down === 0 && width % across === 0 ? [height / down, width / across] : undefined;
}

function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1);
}
