import { formatBytes } from "../io/format.js";
import type { LoadProgress } from "../model/load-progress.js";
import type { Progress } from "./progress.js";

/** Tells on stderr what happens while a model is loaded. */
export function reportLoading(bar: Progress, progress: LoadProgress): void {
  if (progress.phase === "weights") {
    bar.update(progress.fraction, () => "loading the model");
  } else if (progress.phase === "unused") {
    bar.tell(`Tensors of the checkpoint that scoring does not use: ${progress.tensors.join(", ")}`);
  } else if (progress.phase === "warning") {
    bar.tell(`Warning: ${progress.message}`);
  } else if (progress.phase === "normalization") {
    const { mean, std } = progress;
    bar.tell(`Scores are normalised: (score - mean) / std with the model's mean ${mean} and std ${std}`);
  } else if (progress.phase === "activation") {
    bar.tell(`Scores are those of the ${progress.activation}, not the raw logits`);
  } else {
    const { loaded, total } = progress;
    bar.update(loaded / total, () => `downloading ${formatBytes(loaded)} of ${formatBytes(total)}`);
  }
}
