import type { DownloadProgress } from "../hub/progress.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { ResolvedOptions } from "../options.js";
import type { OpenOptions } from "./load-progress.js";
import { isLocal, locateModel, type ModelFiles } from "./locate.js";

/** The model's files, downloaded if need be. */
export async function findFiles(options: ResolvedOptions, open: OpenOptions): Promise<ModelFiles> {
  if (await isLocal(options.model)) return locateModel(options.model);
  const { directory } = await resolveModel({
    ...hubOptions(options, open),
    model: options.model,
    revision: options.revision,
    trustRemoteCode: options.trustRemoteCode,
  });
  const files = await locateModel(directory);
  // The folder may hold an archive that another client put there.
  return options.trustRemoteCode ? files : { ...files, archive: undefined };
}

/** The folder of the tokenizer's files, downloaded if need be: the model's own unless an option names another. */
export async function findTokenizer(
  options: ResolvedOptions,
  { directory }: ModelFiles,
  open: OpenOptions,
): Promise<string> {
  const { tokenizer } = options;
  if (tokenizer === undefined) return directory;
  if (await isLocal(tokenizer)) return tokenizer;
  const resolved = await resolveModel({ ...hubOptions(options, open), model: tokenizer, only: "tokenizer" });
  return resolved.directory;
}

function hubOptions(
  { token, cacheDir, localFilesOnly }: ResolvedOptions,
  { signal, onProgress }: OpenOptions,
) {
  const report =
    onProgress && ((progress: DownloadProgress) => onProgress({ phase: "download", ...progress }));
  return { token, cacheDir, localFilesOnly, signal, onProgress: report };
}
