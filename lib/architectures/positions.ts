import type { WeightPart } from "../native/binding.js";
import type { Decoder } from "./decoder.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/**
 * Adds a row of a learned table to every token.
 *
 * @param rows one for each position
 * @param skipped rows in front of that of the first position
 */
export function positionsStage(decoder: Decoder, module: string, rows: number, skipped = 0): Stage {
  const { tensors, prefix, hidden } = decoder;
  const name = `${prefix}${module}`;
  const whole = tensors.part(`${name}.weight`, [skipped + rows, hidden]);
  const part: WeightPart =
    skipped === 0 ? whole : { ...whole, slice: { dim: 0, start: skipped, end: skipped + rows } };
  return {
    name,
    block: false,
    source: stageSource("decoder", "Positions"),
    attributes: {},
    weights: { weight: { kind: "table", dtype: "model", parts: [part], shape: [rows, hidden] } },
  };
}
