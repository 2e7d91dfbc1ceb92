import type { PackResult } from "./pack-runner.js";
import type { Attributes, Outcome, Score } from "./outcome.js";

/** How the numbers of a head become a row's score. */
export interface ScoreShape {
  /** The head reads several tokens of a row: the score is a list with one entry per step. */
  perStep: boolean;
  /** Return the head's further outputs. */
  attributes: boolean;
  /** Names of the entries of an output, by output. */
  names: Record<string, readonly string[]>;
}

/** Takes the outcome of each row of a pack from what the model returned. */
export function readOutcomes({ pack, scores }: PackResult, shape: ScoreShape): Map<number, Outcome> {
  const outcomes = new Map<number, Outcome>();
  pack.rows.forEach((row, i) => {
    const from = pack.pooledOffsets[i]!;
    const to = pack.pooledOffsets[i + 1]!;
    const values = Array.from(scores.scores.subarray(from * scores.labels, to * scores.labels));
    if (!values.every(Number.isFinite)) {
      const message =
        `The model's score is ${values.join(", ")}, not a finite number. ` +
        `Try torchDtype: "float32"; if it stays, the weights are damaged.`;
      outcomes.set(row, { code: "ERR_NOT_FINITE", path: "", message });
      return;
    }
    const outcome: Outcome = { score: toScore(values, scores.labels, shape.perStep) };
    if (shape.attributes) outcome.attributes = readAttributes(scores.extra, from, shape.names);
    outcomes.set(row, outcome);
  });
  return outcomes;
}

function toScore(values: number[], labels: number, perStep: boolean): Score {
  return labels === 1 && !perStep ? values[0]! : values;
}

function readAttributes(
  extra: PackResult["scores"]["extra"],
  position: number,
  names: ScoreShape["names"],
): Attributes {
  const attributes: Attributes = {};
  for (const [output, { values, width }] of Object.entries(extra)) {
    const own = Array.from(values.subarray(position * width, (position + 1) * width));
    const labels = names[output];
    attributes[output] = labels ? Object.fromEntries(own.map((value, i) => [labels[i]!, value])) : own;
  }
  return attributes;
}
