import { findLibtorch } from "../libtorch/find.js";
import { RewardModelScoreError } from "../errors.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { DownloadProgress } from "../hub/progress.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import { openTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { isLocal, locateModel, type ModelFiles } from "./locate.js";
import { openArchive } from "./open-archive.js";
import type { ScoringModel } from "./scoring-model.js";

/** News of `load`: bytes that were downloaded, then the share of the weights that is in place (0 to 1). */
export type LoadProgress =
  ({ phase: "download" } & DownloadProgress) | { phase: "weights"; fraction: number };

export interface OpenOptions {
  signal: AbortSignal | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}

/** A model that is ready to score, from text to scores. */
export interface OpenModel extends ScoringModel {
  encode: Tokenizer["encode"];
  close(): Promise<void>;
}

/** Finds or downloads the model and its tokenizer, and loads both. */
export async function openModel(
  options: ResolvedOptions,
  { signal, onProgress }: OpenOptions,
): Promise<OpenModel> {
  const libtorch = await findLibtorch(options.libtorch);
  const files = await findFiles(options, signal, onProgress);
  const tokenizer = await openTokenizer(await tokenizerOptions(options, files, signal, onProgress));
  try {
    signal?.throwIfAborted();
    const binding = loadBinding(libtorch.root);
    const report = (fraction: number) => onProgress?.({ phase: "weights", fraction });
    const model = await openArchive(binding, files.archive!, files.directory, options, report);
    if (signal?.aborted) {
      await model.native.dispose();
      signal.throwIfAborted();
    }
    return {
      ...model,
      encode: (inputs, abort) => tokenizer.encode(inputs, abort),
      close: async () => {
        await model.native.dispose();
        await tokenizer.close();
      },
    };
  } catch (error) {
    await tokenizer.close();
    throw error;
  }
}

async function findFiles(
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
  onProgress: OpenOptions["onProgress"],
): Promise<ModelFiles> {
  if (await isLocal(options.model)) return locateModel(options.model);
  const { directory } = await resolveModel({
    ...hubOptions(options, signal, onProgress),
    model: options.model,
    revision: options.revision,
    trustRemoteCode: options.trustRemoteCode,
  });
  const files = await locateModel(directory);
  // The folder may hold an archive that another client put there.
  return options.trustRemoteCode ? files : { ...files, archive: undefined };
}

function hubOptions(
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
  onProgress: OpenOptions["onProgress"],
) {
  return {
    token: options.token,
    cacheDir: options.cacheDir,
    localFilesOnly: options.localFilesOnly,
    signal,
    onProgress:
      onProgress && ((progress: DownloadProgress) => onProgress({ phase: "download", ...progress })),
  };
}
