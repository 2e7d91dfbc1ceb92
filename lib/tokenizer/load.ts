import * as library from "@huggingface/tokenizers";
import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import type { TokenizerJson } from "./config.js";
import { specialTexts, type TokenizerFiles } from "./files.js";

/** What is used of the library's tokenizer, whose own declarations do not resolve under Node's module rules. */
export interface LoadedTokenizer {
  /** `undefined` stands for text that the vocabulary has no token for, not even an unknown one. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  token_to_id(token: string): number | undefined;
  /** A processor that only adjusts offsets keeps the two sequences apart. */
  post_processor: {
    post_process(
      first: string[],
      second: string[],
      addSpecialTokens: boolean,
    ): { tokens: string[]; tokens_pair?: string[] | null };
  } | null;
}

const { Tokenizer } = library as unknown as {
  Tokenizer: new (definition: object, config: object) => LoadedTokenizer;
};

type AddedToken = TokenizerJson["added_tokens"][number];

/**
 * Makes the tokenizer that transformers makes from the same files: tokenizer.json as it is, with the tokens that only
 * the config knows, and with the config's word on bos, eos and lower case.
 */
export function buildTokenizer(files: TokenizerFiles): LoadedTokenizer {
  const { config, json, specialTokens } = files;
  const path = join(files.directory, "tokenizer.json");
  if (config.split_special_tokens === true) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${join(files.directory, "tokenizer_config.json")} sets split_special_tokens, which is not supported; set it to false if the model was trained with special tokens kept whole`,
      { path },
    );
  }
  const added_tokens = addedTokens(files);
  const definition = {
    ...json,
    added_tokens,
    normalizer: normalizer(files),
    post_processor: postProcessor(files, added_tokens),
  };
  try {
    return new Tokenizer(definition, {
      eos_token: specialTokens["eos_token"],
      unk_token: specialTokens["unk_token"],
    });
  } catch (cause) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${path} describes a tokenizer that cannot be built: ${(cause as Error).message}`,
      { path },
      { cause },
    );
  }
}

/** Tokens of the config that tokenizer.json does not list: they have the id of the vocabulary, or the next free one. */
function addedTokens({ config, json, specialTokens }: TokenizerFiles): AddedToken[] {
  const added = [...json.added_tokens];
  const known = new Set(added.map((token) => token.content));
  const decoder = Object.entries(config.added_tokens_decoder ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  for (const [id, token] of decoder) {
    if (known.has(token.content)) continue;
    known.add(token.content);
    added.push({ ...token, id: idInVocabulary(json, token.content) ?? Number(id) });
  }
  for (const content of specialTexts(config, specialTokens)) {
    if (known.has(content)) continue;
    known.add(content);
    const id = idInVocabulary(json, content) ?? nextId(json, added);
    added.push({ id, content, special: true, normalized: false });
  }
  return added;
}

function idInVocabulary(json: TokenizerJson, token: string): number | undefined {
  const { vocab } = json.model;
  if (Array.isArray(vocab)) {
    const index = vocab.findIndex((entry) => Array.isArray(entry) && entry[0] === token);
    return index < 0 ? undefined : index;
  }
  return Object.hasOwn(vocab, token) ? (vocab as Record<string, number>)[token] : undefined;
}

function nextId(json: TokenizerJson, added: AddedToken[]): number {
  const { vocab } = json.model;
  const size = Array.isArray(vocab) ? vocab.length : Object.keys(vocab).length;
  return added.reduce((next, token) => Math.max(next, token.id + 1), size);
}

/** BERT's case and accent rules can be set in the config, which wins. */
function normalizer({ config, json }: TokenizerFiles): TokenizerJson["normalizer"] {
  if (json.normalizer?.["type"] !== "BertNormalizer") return json.normalizer;
  const { do_lower_case, strip_accents, tokenize_chinese_chars } = config;
  return {
    ...json.normalizer,
    ...(do_lower_case === undefined || do_lower_case === null ? {} : { lowercase: do_lower_case }),
    ...(strip_accents === undefined ? {} : { strip_accents }),
    ...(tokenize_chinese_chars === undefined || tokenize_chinese_chars === null
      ? {}
      : { handle_chinese_chars: tokenize_chinese_chars }),
  };
}

/** `add_bos_token` and `add_eos_token` of the config replace what tokenizer.json adds around a text or a pair. */
function postProcessor(
  { config, json, specialTokens }: TokenizerFiles,
  added: AddedToken[],
): TokenizerJson["post_processor"] {
  const said = (value: boolean | null | undefined) => value !== undefined && value !== null;
  if (!said(config.add_bos_token) && !said(config.add_eos_token) && json.post_processor !== null) {
    return json.post_processor;
  }
  const special = (wanted: boolean | null | undefined, name: string, type_id: number) => {
    const id = specialTokens[name];
    return wanted === true && id !== undefined && added.some((token) => token.content === id)
      ? [{ SpecialToken: { id, type_id } }]
      : [];
  };
  const around = (sequence: "A" | "B", type_id: number) => [
    ...special(config.add_bos_token, "bos_token", type_id),
    { Sequence: { id: sequence, type_id } },
    ...special(config.add_eos_token, "eos_token", type_id),
  ];
  return { type: "TemplateProcessing", single: around("A", 0), pair: [...around("A", 0), ...around("B", 1)] };
}
