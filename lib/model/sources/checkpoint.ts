import { join } from "node:path";
import { describeArchitecture } from "../../architectures/describe.js";
import { RewardModelScoreError } from "../../errors.js";
import { parseJson, requireText } from "../../model-files/json.js";
import type { NativeBinding } from "../../native/binding.js";
import { checkpointFiles, type ModelFiles } from "../locate.js";
import { ProgramSource } from "./program.js";
import { sizeOf } from "./source.js";
import { toldOfNumbers } from "./stored-numbers.js";

/**
 * Opens a checkpoint as the built-in program of its architecture: reads the config and the headers of the weights.
 *
 * @returns undefined where there is none, and for one that no program covers if there is an archive too
 * @throws ERR_UNSUPPORTED_ARCHITECTURE, ERR_MODEL_CONFIG, ERR_MODEL_CORRUPT, ERR_WEIGHTS
 */
export async function openCheckpoint(
  binding: NativeBinding,
  model: ModelFiles,
): Promise<ProgramSource | undefined> {
  const { directory, weights, archive, adapter } = model;
  if (weights.length === 0) return undefined;
  const path = join(directory, "config.json");
  const config = await requireText(path);
  const opened = checkpointFiles(model);
  const files = opened.map((file) => file.path);
  const checkpoint = await binding.openCheckpoint(opened);
  try {
    const { tensors } = checkpoint;
    const described = describeArchitecture({
      config: parseJson(config, path),
      tensors,
      files,
      adapter: adapter?.lora,
    });
    const warnings = [...described.warnings, ...toldOfNumbers(tensors, described)];
    const architecture = { ...described, warnings };
    const bytes = await sizeOf(files);
    return new ProgramSource(binding, {
      architecture,
      config,
      tensors,
      adapter: adapter?.lora,
      spec: architecture.spec,
      checkpoint,
      bytes,
    });
  } catch (error) {
    checkpoint.close();
    // Somebody exported what no built-in program covers, though not with an adapter.
    if (archive !== undefined && !adapter && isNotCovered(error)) return undefined;
    throw error;
  }
}

function isNotCovered(error: unknown): boolean {
  if (RewardModelScoreError.is(error, "ERR_UNSUPPORTED_ARCHITECTURE")) return true;
  return RewardModelScoreError.is(error, "ERR_NOT_SUPPORTED") && error.details.feature === "quantization";
}
