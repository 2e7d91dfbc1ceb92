import type { DownloadProgress } from "../hub/progress.js";
import type { Activation } from "../scoring/activation.js";

/**
 * News of `load`: bytes that were downloaded, then, once, the checkpoint's tensors that no program reads if there are
 * any, then what is doubtful about the options, the tokenizer, the score and where the model goes, then, once, the
 * statistics that scores are normalised with where `normalize` asks for it, then what is applied to scores where `activation` asks for it, then the share of the weights that is in
 * place (0 to 1), also in bytes of their files.
 */
export type LoadProgress =
  | ({ phase: "download" } & DownloadProgress)
  | { phase: "unused"; tensors: readonly string[] }
  | { phase: "warning"; message: string }
  | { phase: "normalization"; mean: number; std: number }
  | { phase: "activation"; activation: Activation }
  | { phase: "weights"; fraction: number; loaded: number; total: number };

export interface OpenOptions {
  signal: AbortSignal | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}
