import type { DownloadProgress } from "../hub/progress.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { ResolvedOptions } from "../options.js";
import { adapted, baseOf } from "./adapt.js";
import type { OpenOptions } from "./load-progress.js";
import { isLocal, locateAdapter, locateModel, type AdapterFiles, type ModelFiles } from "./locate.js";

/** What a repository or folder is asked for with. */
type Source = Pick<
  ResolvedOptions,
  "model" | "revision" | "adapter" | "token" | "cacheDir" | "localFilesOnly" | "trustRemoteCode"
>;

/** The model's files, with those of its adapter and of that one's base, downloaded if need be. */
export async function findFiles(source: Source, open: OpenOptions): Promise<ModelFiles> {
  const model = await findModel(source, open);
  if (source.adapter !== undefined)
    return adapted(model, await findAdapterFiles(source.adapter, source, open));
  if (!model.adapter || model.weights.length > 0) return model;
  const base = await baseOf(model.adapter);
  return adapted(await findModel({ ...source, ...base }, open), model.adapter);
}

async function findModel(source: Source, open: OpenOptions): Promise<ModelFiles> {
  if (await isLocal(source.model)) return locateModel(source.model);
  const { directory } = await resolveModel({
    ...hubOptions(source, open),
    model: source.model,
    revision: source.revision,
    trustRemoteCode: source.trustRemoteCode,
  });
  const files = await locateModel(directory);
  // The folder may hold an archive that another client put there.
  return source.trustRemoteCode ? files : { ...files, archive: undefined };
}

/** The files of an adapter alone, downloaded if need be. */
export async function findAdapterFiles(
  adapter: string,
  source: Omit<Source, "model" | "adapter" | "revision" | "trustRemoteCode">,
  open: OpenOptions,
): Promise<AdapterFiles> {
  if (await isLocal(adapter)) return locateAdapter(adapter);
  const resolved = await resolveModel({ ...hubOptions(source, open), model: adapter, only: "adapter" });
  return locateAdapter(resolved.directory);
}

/** The folder of the tokenizer's files, downloaded if need be: the model's own unless an option names another. */
export async function findTokenizer(
  options: ResolvedOptions,
  files: ModelFiles,
  open: OpenOptions,
): Promise<string> {
  const { tokenizer } = options;
  if (tokenizer === undefined) return tokenizerOf(files);
  if (await isLocal(tokenizer)) return tokenizer;
  const resolved = await resolveModel({ ...hubOptions(options, open), model: tokenizer, only: "tokenizer" });
  return resolved.directory;
}

/** The folder of the model's own tokenizer. */
export function tokenizerOf({ directory, tokenizer = directory }: ModelFiles): string {
  return tokenizer;
}

function hubOptions(
  { token, cacheDir, localFilesOnly }: Pick<ResolvedOptions, "token" | "cacheDir" | "localFilesOnly">,
  { signal, onProgress }: OpenOptions,
) {
  const report =
    onProgress && ((progress: DownloadProgress) => onProgress({ phase: "download", ...progress }));
  return { token, cacheDir, localFilesOnly, signal, onProgress: report };
}
