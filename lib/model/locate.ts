import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import { requireRegularFile } from "../io/regular-file.js";
import { ADAPTER_PREFIX, type Adapter } from "../model-files/adapter.js";
import { ARCHIVE, findWeights, prefixOf, requireAdapter } from "../model-files/checkpoint.js";
import { requireText } from "../model-files/json.js";
import type { Listing } from "../model-files/listing.js";
import { isOtherForm, noWeights } from "../model-files/no-weights.js";
import type { CheckpointFile } from "../native/binding.js";

/** What a model consists of on disk. */
export interface ModelFiles {
  /** Folder of `config.json`, and of the tokenizer's files unless `tokenizer` names another. */
  directory: string;
  tokenizer?: string;
  /** Checkpoint files, a head beside the trunk last; empty when there are none. */
  weights: string[];
  /** The TorchScript archive, if there is one. */
  archive: string | undefined;
  /** Beside its base, or, without weights and archive, on a base that is elsewhere. */
  adapter?: AdapterFiles;
}

/** An adapter on disk, its weights by their paths. */
export interface AdapterFiles extends Adapter {
  /** Folder of its tokenizer, if it has one. */
  directory: string;
}

/** The files of a model's checkpoint, as the reader of their tensors takes them: the adapter's last. */
export function checkpointFiles({
  weights,
  adapter,
}: Pick<ModelFiles, "weights" | "adapter">): CheckpointFile[] {
  const files = (adapter?.weights ?? []).map((path) => ({ path, prefix: prefixOf(path) || ADAPTER_PREFIX }));
  return [...weights.map((path) => ({ path, prefix: prefixOf(path) })), ...files];
}

/** True for names that can only mean a place on this machine: they are never looked up on the Hub. */
export async function isLocal(model: string): Promise<boolean> {
  return /^([./~\\]|[a-z]:\\)/i.test(model) || model.endsWith(".pt") || (await exists(model));
}

/** The files of a model folder, or of a single archive, whose tokenizer is then looked for beside it. */
export async function locateModel(model: string): Promise<ModelFiles> {
  const path = resolve(model);
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    throw new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `There is no model at ${path}. Give a folder with config.json and weights, a TorchScript archive (.pt), or a ` +
        `Hub repository like "owner/name".`,
      { path },
    );
  }
  if (!found.isDirectory()) {
    requireRegularFile(path, found);
    if (isOtherForm(basename(path))) throw noWeights(path, [basename(path)]);
    return { directory: dirname(path), weights: [], archive: path };
  }
  const listing = listingOf(path);
  const { checkpoint, adapter: inFolder } = (await findWeights(path, listing)) ?? {};
  const weights = (checkpoint?.weights ?? []).map((name) => join(path, name));
  const archive = (await listing.has(ARCHIVE)) ? join(path, ARCHIVE) : undefined;
  const adapter = inFolder && adapterIn(path, inFolder);
  if (weights.length === 0 && archive === undefined && !adapter) throw noWeights(path, await filesIn(path));
  const files = [...weights, ...(adapter?.weights ?? []), ...(archive === undefined ? [] : [archive])];
  for (const file of files) requireRegularFile(file, await stat(file));
  return { directory: path, weights, archive, ...(adapter && { adapter }) };
}

/** The files of an adapter in a folder, whatever else is there. */
export async function locateAdapter(folder: string): Promise<AdapterFiles> {
  const path = resolve(folder);
  const adapter = adapterIn(path, await requireAdapter(path, listingOf(path)));
  for (const file of adapter.weights) requireRegularFile(file, await stat(file));
  return adapter;
}

function adapterIn(path: string, adapter: Adapter): AdapterFiles {
  return { ...adapter, directory: path, weights: adapter.weights.map((name) => join(path, name)) };
}

function listingOf(path: string): Listing {
  return {
    has: (name) => isFile(join(path, name)),
    readText: (name) => requireText(join(path, name)),
  };
}

/** Paths of the files in a folder and in those below it, no deeper. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const below = entries
    .filter((entry) => entry.isDirectory())
    .map(async ({ name }) =>
      (await readdir(join(folder, name)).catch(() => [])).map((file) => `${name}/${file}`),
    );
  return [...entries.map(({ name }) => name), ...(await Promise.all(below)).flat()];
}

/** Whether a folder has a file of this name, of whatever kind; links are followed. */
async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}
