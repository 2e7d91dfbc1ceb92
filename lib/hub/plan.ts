import { RewardModelScoreError } from "../errors.js";
import { ADAPTER_CONFIG } from "../model-files/adapter-config.js";
import {
  ARCHIVE,
  CONFIG,
  findWeights,
  requireAdapter,
  type CheckpointFiles,
} from "../model-files/checkpoint.js";
import type { Listing } from "../model-files/listing.js";
import { noWeights } from "../model-files/no-weights.js";

/** In which form a repository holds its model. */
export type WeightsForm = CheckpointFiles["form"] | "torchscript" | "adapter";

export interface Plan {
  form: WeightsForm;
  /** What loading needs, the config last: a snapshot that has it has everything. */
  paths: string[];
}

/** Without `tokenizer.json`, one of these is the tokenizer; beside it they say the same again. */
const OTHER_VOCABULARIES = [
  "vocab.json",
  "merges.txt",
  "vocab.txt",
  "tokenizer.model",
  "spiece.model",
  "spm.model",
  "sentencepiece.bpe.model",
];

/** Any of these is a tokenizer. */
export const VOCABULARIES: readonly string[] = ["tokenizer.json", ...OTHER_VOCABULARIES];

const TOKENIZER_SETTINGS = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * Chooses among the files of a repository the ones that loading needs: a checkpoint, with the adapter that is beside it,
 * or an adapter alone, or a TorchScript archive where there is neither.
 *
 * @param readText reads a small file of the repository, wherever it is
 */
export async function planModel(
  model: string,
  files: Iterable<string>,
  options: { trustRemoteCode: boolean; readText: (path: string) => Promise<string> },
): Promise<Plan> {
  const present = new Set(files);
  const found = await findWeights(model, listingOf(present, options.readText));
  const tokenizer = tokenizerFiles(present);
  if (!found) {
    if (!present.has(ARCHIVE)) throw noWeights(model, present);
    if (!options.trustRemoteCode) throw untrusted(model);
    return { form: "torchscript", paths: [...tokenizer, ARCHIVE, ...(present.has(CONFIG) ? [CONFIG] : [])] };
  }
  const { checkpoint, adapter } = found;
  const adapting = adapter ? [...adapter.weights, ADAPTER_CONFIG] : [];
  if (!checkpoint) return { form: "adapter", paths: [...tokenizer, ...adapting] };
  if (!present.has(CONFIG)) {
    throw new RewardModelScoreError(
      "ERR_MODEL_CONFIG",
      `${model} has weights but no ${CONFIG}, so what to compute with them is unknown. Is it the name of a model?`,
      { path: CONFIG },
    );
  }
  const { form, index, weights } = checkpoint;
  const trunk = [...(index === undefined ? [] : [index]), ...weights];
  return { form, paths: [...tokenizer, ...trunk, ...adapting, CONFIG] };
}

/** The files of an adapter alone, with its tokenizer. */
export async function planAdapter(
  model: string,
  files: Iterable<string>,
  readText: (path: string) => Promise<string>,
): Promise<Plan> {
  const present = new Set(files);
  const { weights } = await requireAdapter(model, listingOf(present, readText));
  return { form: "adapter", paths: [...tokenizerFiles(present), ...weights, ADAPTER_CONFIG] };
}

function listingOf(present: ReadonlySet<string>, readText: Listing["readText"]): Listing {
  return { has: (path) => present.has(path), readText };
}

/** The files of a tokenizer alone, with the chat template. */
export function planTokenizer(model: string, files: Iterable<string>): string[] {
  const present = new Set(files);
  const paths = tokenizerFiles(present);
  if (!paths.some((path) => VOCABULARIES.includes(path))) {
    throw new RewardModelScoreError("ERR_TOKENIZER", `${model} has no tokenizer (tokenizer.json).`, {
      path: "tokenizer.json",
    });
  }
  return [...paths, ...(present.has(CONFIG) ? [CONFIG] : [])];
}

function tokenizerFiles(present: ReadonlySet<string>): string[] {
  const vocabulary = present.has("tokenizer.json") ? ["tokenizer.json"] : OTHER_VOCABULARIES;
  const templates = [...present].filter((path) => /^additional_chat_templates\/[^/]+\.jinja$/.test(path));
  return [
    ...vocabulary,
    ...TOKENIZER_SETTINGS,
    "chat_template.jinja",
    "chat_template.json",
    ...templates.sort(),
  ].filter((path) => present.has(path));
}

function untrusted(model: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_UNTRUSTED_CODE",
    `${model} holds its model only as a TorchScript archive (${ARCHIVE}). Such a file is a program: whoever wrote it ` +
      `decides what runs in your process, with your rights. If you trust its author, pass trustRemoteCode: true ` +
      `(--trust-remote-code); pin a revision, so that it cannot change later.`,
    { model },
  );
}
