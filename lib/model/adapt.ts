import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { isModelId } from "../hub/names.js";
import { VOCABULARIES } from "../hub/plan.js";
import { exists } from "../io/exists.js";
import { ADAPTER_CONFIG } from "../model-files/adapter-config.js";
import { prefixOf } from "../model-files/checkpoint.js";
import { isLocal, type AdapterFiles, type ModelFiles } from "./locate.js";

const NAME_BOTH = "Name the base as the model and the adapter as the option adapter (--adapter).";

/**
 * The base that an adapter names: a folder, or a repository with its revision.
 *
 * @throws ERR_MODEL_CONFIG where it names none, ERR_NOT_FOUND for a folder of the machine that it was trained on
 */
export async function baseOf(adapter: AdapterFiles): Promise<{ model: string; revision: string }> {
  const { base, baseRevision = "main", directory } = adapter;
  const path = join(directory, ADAPTER_CONFIG);
  if (base === undefined) {
    const message = `${path} names no base (base_model_name_or_path). ${NAME_BOTH}`;
    throw new RewardModelScoreError("ERR_MODEL_CONFIG", message, { path });
  }
  const isThere = (await isLocal(base)) ? await exists(base) : isModelId(base);
  if (!isThere) {
    throw new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `${path} names ${JSON.stringify(base)} as its base, which is neither a folder here nor a repository. ${NAME_BOTH}`,
      { path: base },
    );
  }
  return { model: base, revision: baseRevision };
}

/**
 * A base with an adapter on it. The tokenizer that was saved with the adapter is the one that it was trained with.
 *
 * @throws ERR_NOT_SUPPORTED for a base that has an adapter of its own, or no weights
 */
export async function adapted(base: ModelFiles, adapter: AdapterFiles): Promise<ModelFiles> {
  if (base.adapter) {
    throw unsupported(
      `${base.directory} holds an adapter of its own; ${adapter.directory} cannot be applied on top of it. Merge the ` +
        "first one in Python (merge_and_unload() of the PEFT model), save it with its tokenizer, and name that model.",
    );
  }
  if (base.weights.length === 0) {
    throw unsupported(
      `${base.archive ?? base.directory} is a TorchScript archive, to whose weights no adapter can be applied.`,
    );
  }
  const hasHead = adapter.weights.some(isHead);
  return {
    directory: base.directory,
    ...((await hasTokenizer(adapter.directory)) && { tokenizer: adapter.directory }),
    weights: base.weights.filter((path) => !(hasHead && isHead(path))),
    archive: undefined,
    adapter,
  };
}

/** A head's own file, of which that beside the adapter counts. */
function isHead(path: string): boolean {
  return prefixOf(path) !== "";
}

async function hasTokenizer(directory: string): Promise<boolean> {
  const found = await Promise.all(VOCABULARIES.map((file) => exists(join(directory, file))));
  return found.includes(true);
}

function unsupported(message: string): RewardModelScoreError {
  return new RewardModelScoreError("ERR_NOT_SUPPORTED", message, { feature: "adapters" });
}
