import { RewardModelScoreError } from "../errors.js";
import { isRelativeName } from "./names.js";

/** In which form a repository holds its model. */
export type WeightsForm = "safetensors" | "bin" | "torchscript";

export interface Plan {
  form: WeightsForm;
  /** What loading needs, `config.json` last: a snapshot that has it has everything. */
  paths: string[];
}

const SAFETENSORS = "model.safetensors";
const BIN = "pytorch_model.bin";
const ARCHIVE = "model.pt";
const INDEX_SUFFIX = ".index.json";
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

/** The index that names the shards of a checkpoint, if that is the form that will be loaded. */
export function weightsIndex(files: Iterable<string>): string | undefined {
  const present = new Set(files);
  for (const single of [SAFETENSORS, BIN]) {
    if (present.has(single)) return undefined;
    if (present.has(single + INDEX_SUFFIX)) return single + INDEX_SUFFIX;
  }
  return undefined;
}

/**
 * Chooses among the files of a repository the ones that loading needs, in the order in which transformers looks:
 * safetensors before `.bin`, one file before shards, and a TorchScript archive where there is nothing else.
 *
 * @param index the text of the file that `weightsIndex` names
 */
export function planModel(
  model: string,
  files: Iterable<string>,
  options: { trustRemoteCode: boolean; index?: string | undefined },
): Plan {
  const present = new Set(files);
  const index = weightsIndex(present);
  const shards = index === undefined ? [] : shardsOf(model, index, options.index ?? "", present);
  const single = [SAFETENSORS, BIN].find((name) => present.has(name));
  const weights = single ?? shards[0];
  const tokenizer = tokenizerFiles(present);

  if (weights === undefined) {
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
  const form = weights.endsWith(".safetensors") ? "safetensors" : "bin";
  const head = `value_head.${form}`; // TRL keeps the head of a reward model beside the trunk
  return {
    form,
    paths: [
      ...tokenizer,
      ...(index === undefined ? [weights] : [index, ...shards]),
      ...(present.has(head) ? [head] : []),
      CONFIG,
    ],
  };
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

function shardsOf(model: string, path: string, text: string, present: ReadonlySet<string>): string[] {
  const corrupt = (what: string, cause?: unknown) =>
    new RewardModelScoreError("ERR_MODEL_CORRUPT", `${path} of ${model} ${what}.`, { path }, { cause });
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch (error) {
    throw corrupt("is not valid JSON", error);
  }
  const names = map !== null && typeof map === "object" ? Object.values(map) : [];
  const shards = [...new Set(names)].sort() as string[];
  if (shards.length === 0) throw corrupt("names no shards");
  const suffix = path.startsWith(SAFETENSORS) ? ".safetensors" : ".bin";
  for (const shard of shards) {
    // The index is data from the repository: what it names must be a weights file that the repository lists.
    if (
      typeof shard !== "string" ||
      !isRelativeName(shard) ||
      !shard.endsWith(suffix) ||
      !present.has(shard)
    ) {
      throw corrupt(`names the shard ${JSON.stringify(shard)}, which is not there`);
    }
  }
  return shards;
}

function noWeights(model: string, present: ReadonlySet<string>): RewardModelScoreError {
  const others = [...present]
    .filter((path) => /\.(gguf|onnx|h5|msgpack|pth|pt|bin|safetensors)$/.test(path))
    .slice(0, 5);
  return new RewardModelScoreError(
    "ERR_NOT_FOUND",
    `${model} has no weights that can be loaded: neither ${SAFETENSORS} nor ${BIN}, whole or in shards, ` +
      `nor a TorchScript archive ${ARCHIVE}.${others.length > 0 ? ` It has ${others.join(", ")}.` : ""}`,
    { path: `${model}/${SAFETENSORS}` },
  );
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
