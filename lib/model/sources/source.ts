import { stat } from "node:fs/promises";
import type { Architecture } from "../../architectures/architecture.js";
import type { RewardStatistics } from "../../architectures/statistics.js";
import type { Assignment } from "../../device-map/assignment.js";
import type { Placeable } from "../../device-map/placeable.js";
import type { NativeBinding } from "../../native/binding.js";
import type { ResolvedOptions } from "../../options.js";
import type { ScoringModel } from "../../scoring/scoring-model.js";
import type { TokenizerPool } from "../../tokenizer/tokenizer.js";
import type { ModelFiles } from "../locate.js";

/** What a model wants its rows to be, as far as it tells. */
export type ModelInputs = Partial<
  Pick<Architecture, "inputFormat" | "finalTokenId" | "maxPositions" | "tokenFields">
>;

/** What a model is made of, in whatever form its files hold it. Nothing of it is in memory yet. */
export interface ModelSource {
  readonly inputs: ModelInputs;
  /** Tensors of its files that nothing reads. */
  readonly unusedTensors: readonly string[];
  /** What is doubtful about the score, or said of it in its files and not applied. */
  readonly warnings: readonly string[];
  /** Width of its scores, where that is known before it is loaded. */
  readonly labels: number | undefined;
  /** Of the rewards in training, where its config has them. */
  readonly statistics: RewardStatistics | undefined;
  /** What its config says is applied to its logits. */
  readonly statedActivation: string | undefined;
  /** Size of the files that `open` reads. */
  readonly bytes: number;
  placeable(torchDtype: ResolvedOptions["torchDtype"]): Placeable;
  /** Loads the model where it was put; its scores are raw. The source stays open: it is the caller's. */
  open(
    assignment: Assignment,
    options: ResolvedOptions,
    tokenizer: Pick<TokenizerPool, "idsOf">,
    loading: Loading,
  ): Promise<ScoringModel>;
  close(): void;
}

export interface Loading {
  signal?: AbortSignal | undefined;
  /** Told the share of the weights that is in place, from 0 to 1. */
  onProgress: (fraction: number) => void;
}

/** Opens files of one form; undefined where they have another. */
export type SourceOpener = (binding: NativeBinding, files: ModelFiles) => Promise<ModelSource | undefined>;

export async function sizeOf(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
