import type { RewardStatistics } from "../architectures/statistics.js";
import { activate } from "./activation.js";
import type { PackResult } from "./pack-runner.js";
import type { Attributes, Outcome, Score } from "./outcome.js";
import type { ScoreShape } from "./scoring-model.js";

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
    const normalised = shape.normalization ? values.map(normalizer(shape.normalization)) : values;
    const applied = shape.activation ? activate(normalised, shape.activation) : normalised;
    const outcome: Outcome = { score: toScore(applied, scores.labels, shape.perStep) };
    if (shape.attributes) outcome.attributes = readAttributes(scores.extra, from, shape.names);
    outcomes.set(row, outcome);
  });
  return outcomes;
}

/** In the order and the type of OpenRLHF's own arithmetic, which is float32. */
function normalizer({ mean, std }: RewardStatistics): (score: number) => number {
  const [center, deviation] = [Math.fround(mean), Math.fround(std)];
  return (score) => Math.fround(Math.fround(score - center) / deviation);
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
