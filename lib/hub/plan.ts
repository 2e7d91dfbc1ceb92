import { RewardModelScoreError } from "../errors.js";
import { ARCHIVE, findCheckpoint, type CheckpointFiles } from "../model-files/checkpoint.js";
import { noWeights } from "../model-files/no-weights.js";

/** In which form a repository holds its model. */
export type WeightsForm = CheckpointFiles["form"] | "torchscript";

export interface Plan {
  form: WeightsForm;
  /** What loading needs, `config.json` last: a snapshot that has it has everything. */
  paths: string[];
}

const CONFIG = "config.json";

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

const TOKENIZER_SETTINGS = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * Chooses among the files of a repository the ones that loading needs: a checkpoint, or a TorchScript archive where
 * there is none.
 *
 * @param readText reads a small file of the repository, wherever it is
 */
export async function planModel(
  model: string,
  files: Iterable<string>,
  options: { trustRemoteCode: boolean; readText: (path: string) => Promise<string> },
): Promise<Plan> {
  const present = new Set(files);
  const checkpoint = await findCheckpoint(model, {
    has: (path) => present.has(path),
    readText: options.readText,
  });
  const tokenizer = tokenizerFiles(present);
  if (!checkpoint) {
    if (!present.has(ARCHIVE)) throw noWeights(model, present);
    if (!options.trustRemoteCode) throw untrusted(model);
    return { form: "torchscript", paths: [...tokenizer, ARCHIVE, ...(present.has(CONFIG) ? [CONFIG] : [])] };
  }
  if (!present.has(CONFIG)) {
    throw new RewardModelScoreError(
      "ERR_MODEL_CONFIG",
      `${model} has weights but no ${CONFIG}, so what to compute with them is unknown. Is it the name of a model?`,
      { path: CONFIG },
    );
  }
  const { form, index, weights } = checkpoint;
  return { form, paths: [...tokenizer, ...(index === undefined ? [] : [index]), ...weights, CONFIG] };
}

/** The files of a tokenizer alone, with the chat template. */
export function planTokenizer(model: string, files: Iterable<string>): string[] {
  const present = new Set(files);
  const paths = tokenizerFiles(present);
  if (!paths.some((path) => path === "tokenizer.json" || OTHER_VOCABULARIES.includes(path))) {
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
