import { basename } from "node:path";
import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import { isRelativeName } from "../io/relative-name.js";
import { ADAPTER_CONFIG } from "./adapter-config.js";
import { findAdapter, type Adapter } from "./adapter.js";
import type { Listing } from "./listing.js";

/** The files that hold a checkpoint's tensors. */
export interface CheckpointFiles {
  form: "safetensors" | "bin";
  /** Names the shards; undefined where one file holds the trunk. */
  index: string | undefined;
  /** In the order of their names; a head that a trainer saved beside the trunk comes last. */
  weights: string[];
}

export const CONFIG = "config.json";
/** The TorchScript archive of a model. */
export const ARCHIVE = "model.pt";

/** In the order in which transformers looks: safetensors before `.bin`, one file before shards. */
const FORMS = [
  { form: "safetensors", single: "model.safetensors", index: "model.safetensors.index.json" },
  { form: "bin", single: "pytorch_model.bin", index: "pytorch_model.bin.index.json" },
] as const;

/** Heads that trainers save beside the trunk: TRL and LLaMA-Factory in either form, others by hand. */
const HEADS = ["value_head.safetensors", "value_head.bin", "classifier.pt"];

/** What the names of a file's tensors begin with, so that those of a head's own file are known for it. */
export function prefixOf(path: string): string {
  const name = basename(path);
  return HEADS.includes(name) ? `${name.slice(0, name.indexOf("."))}:` : "";
}

/** Names of all that is looked for, for messages. */
export const LOOKED_FOR = [...FORMS.flatMap(({ single, index }) => [single, index]), ARCHIVE];

/** What a model's files are: at least one of the two. */
export interface ModelWeights {
  checkpoint: CheckpointFiles | undefined;
  /** Beside its base, or, without a checkpoint, on a base that it names. */
  adapter: Adapter | undefined;
}

/**
 * Chooses the files of a checkpoint among those of a model. The Hub client fetches what this chooses from a repository's
 * list, and the loader opens what this chooses from a folder.
 *
 * @param model its name or folder, for messages
 * @returns undefined where there are no weights
 * @throws ERR_NOT_SUPPORTED and ERR_MODEL_CONFIG for an adapter that is not applied, ERR_MODEL_CORRUPT for an index that is
 *   damaged or names what is not there, ERR_NOT_FOUND for an adapter without weights
 */
export async function findWeights(model: string, files: Listing): Promise<ModelWeights | undefined> {
  const trunk = await findTrunk(model, files);
  // An archive without weights beside it is whole by itself.
  if (!trunk && (await files.has(ARCHIVE))) return undefined;
  const adapter = await findAdapter(model, files);
  if (!trunk && !adapter) return undefined;
  const head = await firstOf(HEADS, files);
  const heads = head === undefined ? [] : [head];
  // Weights without a config are no model: TRL saves the value head of an adapted one so.
  if (adapter && !(trunk && (await files.has(CONFIG)))) {
    const weights = [...adapter.weights, ...(trunk?.weights ?? []), ...heads];
    if (adapter.weights.length === 0) throw withoutWeights(model);
    return { checkpoint: undefined, adapter: { ...adapter, weights } };
  }
  return { checkpoint: trunk && { ...trunk, weights: [...trunk.weights, ...heads] }, adapter };
}

/** The files of an adapter alone, also where its base is beside it. */
export async function requireAdapter(model: string, files: Listing): Promise<Adapter> {
  const adapter = await findAdapter(model, files);
  if (!adapter) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `The adapter ${model} has no ${ADAPTER_CONFIG}: it is no folder or repository of a PEFT adapter.`,
      { option: "adapter" },
    );
  }
  if (adapter.weights.length === 0) throw withoutWeights(model);
  const head = await firstOf(HEADS, files);
  return { ...adapter, weights: [...adapter.weights, ...(head === undefined ? [] : [head])] };
}

async function firstOf(names: readonly string[], files: Listing): Promise<string | undefined> {
  for (const name of names) if (await files.has(name)) return name;
  return undefined;
}

function withoutWeights(model: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_FOUND",
    `${model} holds ${ADAPTER_CONFIG} but no weights of the adapter (adapter_model.safetensors or .bin).`,
    { path: `${model}/adapter_model.safetensors` },
  );
}

async function findTrunk(model: string, files: Listing): Promise<CheckpointFiles | undefined> {
  for (const { form, single, index } of FORMS) {
    if (await files.has(single)) return { form, index: undefined, weights: [single] };
    if (await files.has(index)) return { form, index, weights: await shardsOf(model, form, index, files) };
  }
  return undefined;
}

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

async function shardsOf(
  model: string,
  form: CheckpointFiles["form"],
  index: string,
  files: Listing,
): Promise<string[]> {
  const corrupt = (what: string, cause?: unknown) =>
    new RewardModelScoreError(
      "ERR_MODEL_CORRUPT",
      `${index} of ${model} ${what}.`,
      { path: index },
      { cause },
    );
  let json: unknown;
  try {
    json = JSON.parse(await files.readText(index));
  } catch (cause) {
    if (RewardModelScoreError.is(cause)) throw cause;
    throw corrupt("is not valid JSON", cause);
  }
  const parsed = v.safeParse(indexSchema, json);
  if (!parsed.success) throw corrupt('has no "weight_map" of tensor names to files');
  const shards = [...new Set(Object.values(parsed.output.weight_map))].sort();
  if (shards.length === 0) throw corrupt("names no shards");
  for (const shard of shards) {
    // The index is data that was downloaded: it must not reach out of its folder, nor make another file a checkpoint.
    if (!isRelativeName(shard) || !shard.endsWith(`.${form}`)) {
      throw corrupt(`names the shard ${JSON.stringify(shard)}, which is no .${form} file below its folder`);
    }
    if (!(await files.has(shard))) {
      throw corrupt(
        `names the shard ${JSON.stringify(shard)}, one of ${shards.length}, which is missing: download the model again`,
      );
    }
  }
  return shards;
}
