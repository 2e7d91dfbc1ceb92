import type { NativeBinding } from "../../native/binding.js";
import { noWeights } from "../../model-files/no-weights.js";
import type { ModelFiles } from "../locate.js";
import { openArchive } from "./archive.js";
import { openCheckpoint } from "./checkpoint.js";
import { openExportedProgram } from "./exported-program.js";
import type { ModelSource, SourceOpener } from "./source.js";

/** The forms of a model, the best first. */
const OPENERS: readonly SourceOpener[] = [openCheckpoint, openExportedProgram, openArchive];

/** Opens a model's files in the first form that they have. */
export async function openSource(binding: NativeBinding, files: ModelFiles): Promise<ModelSource> {
  for (const open of OPENERS) {
    const source = await open(binding, files);
    if (source) return source;
  }
  throw noWeights(files.directory, []);
}
