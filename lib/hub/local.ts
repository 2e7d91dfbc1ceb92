import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { requireText } from "../model-files/json.js";
import type { RepositoryCache } from "./cache.js";
import { planAdapter, planModel, planTokenizer, type Plan } from "./plan.js";

/** What is wanted of a repository: the model, or only its tokenizer or its adapter. */
export interface Wanted {
  only?: "tokenizer" | "adapter" | undefined;
  trustRemoteCode: boolean;
}

export interface LocalSnapshot {
  directory: string;
  commit: string;
  form: Plan["form"] | undefined;
  /** Why it cannot be loaded as it is; undefined when nothing is missing. */
  missing: RewardModelScoreError | string | undefined;
  /** Whether "nothing is missing" is certain: the repository's listing says so. */
  certain: boolean;
}

/** Looks for a revision in the cache, without the network. */
export async function findLocal(
  cache: RepositoryCache,
  revision: string,
  wanted: Wanted,
): Promise<LocalSnapshot | undefined> {
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const files = await cache.filesOf(commit);
  if (files.size === 0) return undefined;
  const directory = cache.snapshot(commit);
  const tree = await cache.treeOf(commit);
  try {
    // The listing tells what belongs to the model; without it, what is there has to make sense by itself.
    const names = tree?.map((file) => file.path) ?? [...files.keys()];
    const { form, paths } = await planFrom(cache.model, names, wanted, (path) =>
      requireText(join(directory, path)),
    );
    const sizes = new Map(tree?.map((file) => [file.path, file.size]));
    const absent = paths.find(
      (path) => !files.has(path) || files.get(path) !== (sizes.get(path) ?? files.get(path)),
    );
    const certain = tree !== undefined || names.includes("tokenizer.json");
    return { directory, commit, form, missing: absent, certain };
  } catch (error) {
    const missing = RewardModelScoreError.is(error)
      ? error
      : String((error as NodeJS.ErrnoException).path ?? error);
    return { directory, commit, form: undefined, missing, certain: false };
  }
}

/** Plans with the small files that decide read by `readText`, from wherever the repository is. */
export async function planFrom(
  model: string,
  names: string[],
  wanted: Wanted,
  readText: (path: string) => Promise<string>,
): Promise<{ form: Plan["form"] | undefined; paths: string[] }> {
  if (wanted.only === "tokenizer") return { form: undefined, paths: planTokenizer(model, names) };
  if (wanted.only === "adapter") return planAdapter(model, names, readText);
  return planModel(model, names, { ...wanted, readText });
}
