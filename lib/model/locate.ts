import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import { requireRegularFile } from "../io/regular-file.js";
import { readJson } from "../model-files/json.js";

/** What a model consists of on disk. */
export interface ModelFiles {
  /** Folder of `config.json` and the tokenizer's files. */
  directory: string;
  /** Checkpoint files in shard order; empty when there are none. */
  weights: string[];
  /** The TorchScript archive, if there is one. */
  archive: string | undefined;
}

const ARCHIVE = "model.pt";

/** Checkpoints in the order in which transformers looks for them: [index of the shards, single file]. */
const CHECKPOINTS = [
  ["model.safetensors.index.json", "model.safetensors"],
  ["pytorch_model.bin.index.json", "pytorch_model.bin"],
] as const;

/** Heads that some trainers save beside the trunk. */
const HEAD_FILES = ["value_head.safetensors"];

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
    return { directory: dirname(path), weights: [], archive: path };
  }
  const files: ModelFiles = {
    directory: path,
    weights: await checkpointFiles(path),
    archive: (await exists(join(path, ARCHIVE))) ? join(path, ARCHIVE) : undefined,
  };
  for (const file of [...files.weights, files.archive]) if (file) requireRegularFile(file, await stat(file));
  if (files.weights.length === 0 && !files.archive) {
    throw new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `${path} holds no weights. Looked for ${[...CHECKPOINTS.flat(), ARCHIVE].join(", ")}.`,
      { path },
    );
  }
  return files;
}

async function checkpointFiles(directory: string): Promise<string[]> {
  for (const [index, single] of CHECKPOINTS) {
    const shards = (await exists(join(directory, single)))
      ? [join(directory, single)]
      : (await exists(join(directory, index)))
        ? await shardFiles(directory, index)
        : [];
    if (shards.length === 0) continue;
    const heads = HEAD_FILES.map((name) => join(directory, name));
    for (const head of heads) if (await exists(head)) shards.push(head);
    return shards;
  }
  return [];
}

const shardIndex = v.object({ weight_map: v.record(v.string(), v.string()) });

async function shardFiles(directory: string, index: string): Promise<string[]> {
  const path = join(directory, index);
  const parsed = v.safeParse(shardIndex, await readJson(path));
  if (!parsed.success) {
    throw new RewardModelScoreError(
      "ERR_MODEL_CORRUPT",
      `${path} has no "weight_map" of tensor names to files.`,
      {
        path,
      },
    );
  }
  const names = [...new Set(Object.values(parsed.output.weight_map))].sort();
  for (const name of names) {
    // The index is part of what was downloaded: it must not reach out of its folder.
    if (name !== basename(name)) {
      throw new RewardModelScoreError(
        "ERR_MODEL_CORRUPT",
        `${path} names a file outside its folder: ${name}`,
        { path },
      );
    }
    const shard = join(directory, name);
    if (!(await exists(shard))) {
      throw new RewardModelScoreError(
        "ERR_NOT_FOUND",
        `${shard} is missing, one of ${names.length} files that ${index} lists. Download the model again.`,
        { path: shard },
      );
    }
  }
  return names.map((name) => join(directory, name));
}
