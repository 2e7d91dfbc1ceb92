import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import { requireRegularFile } from "../io/regular-file.js";
import { ARCHIVE, findCheckpoint, prefixOf } from "../model-files/checkpoint.js";
import { requireText } from "../model-files/json.js";
import type { Listing } from "../model-files/listing.js";
import { isOtherForm, noWeights } from "../model-files/no-weights.js";
import type { CheckpointFile } from "../native/binding.js";

/** What a model consists of on disk. */
export interface ModelFiles {
  /** Folder of `config.json` and the tokenizer's files. */
  directory: string;
  /** Checkpoint files, a head beside the trunk last; empty when there are none. */
  weights: string[];
  /** The TorchScript archive, if there is one. */
  archive: string | undefined;
}

/** The files of a model's checkpoint, as the reader of their tensors takes them. */
export function checkpointFiles({ weights }: Pick<ModelFiles, "weights">): CheckpointFile[] {
  return weights.map((path) => ({ path, prefix: prefixOf(path) }));
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
  const listing: Listing = {
    has: (name) => isFile(join(path, name)),
    readText: (name) => requireText(join(path, name)),
  };
  const checkpoint = await findCheckpoint(path, listing);
  const weights = (checkpoint?.weights ?? []).map((name) => join(path, name));
  const archive = (await listing.has(ARCHIVE)) ? join(path, ARCHIVE) : undefined;
  if (weights.length === 0 && archive === undefined) throw noWeights(path, await filesIn(path));
  for (const file of archive === undefined ? weights : [...weights, archive]) {
    requireRegularFile(file, await stat(file));
  }
  return { directory: path, weights, archive };
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
