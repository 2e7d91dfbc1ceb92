import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import type { TokenizerConfig } from "./config.js";
import type { TokenizerFiles } from "./files.js";
import { takenTwice } from "./pipeline/token-id.js";
import { Tokenizer } from "./pipeline/tokenizer.js";

/**
 * Makes the tokenizer that transformers makes from the same files: tokenizer.json as it is, with what the other files
 * say of tokens, and with the config's word on lower case.
 */
export function buildTokenizer(files: TokenizerFiles): Tokenizer {
  const { config, directory, json, path } = files;
  if (config.split_special_tokens === true) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${join(directory, "tokenizer_config.json")} sets split_special_tokens, which is not supported; set it to false if the model was trained with special tokens kept whole`,
      { path },
    );
  }
  if (config.fix_mistral_regex === true && !JSON.stringify(json.pre_tokenizer).includes(MENDED_LOWER_CASE)) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${join(directory, "tokenizer_config.json")} sets fix_mistral_regex, but ${path} has the old regular expression; in Python, AutoTokenizer.from_pretrained("${directory}", fix_mistral_regex=True).save_pretrained("${directory}") mends it`,
      { path },
    );
  }
  try {
    const tokenizer = new Tokenizer({ ...json, normalizer: normalizer(json.normalizer, config) });
    tokenizer.add(files.ownTokens);
    checkOwnIds(files, tokenizer);
    tokenizer.add(files.tokens.added);
    return tokenizer;
  } catch (cause) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${path} describes a tokenizer that cannot be built: ${(cause as Error).message}`,
      { path },
      { cause },
    );
  }
}

/** A part of the regular expression that `fix_mistral_regex` of transformers puts in, as it stands in JSON. */
const MENDED_LOWER_CASE = String.raw`[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|`;

/** tokenizer.json may say an id that a token does not get, but not that of another token. */
function checkOwnIds({ json, ownTokens }: TokenizerFiles, tokenizer: Tokenizer): void {
  const { vocab } = json.model as { vocab: [string, number][] | Record<string, number> };
  for (const { content, id } of ownTokens) {
    if (tokenizer.idOf(content) === id) continue;
    const owner = Array.isArray(vocab)
      ? vocab[id]?.[0]
      : Object.keys(vocab).find((token) => vocab[token] === id);
    if (owner !== undefined) throw new Error(takenTwice(id, owner, content, "added_tokens"));
  }
}

/** These take tokenizer.json as it is. */
const GENERIC_CLASSES = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/** BERT's case and accent rules can be set in the config of its own classes, which wins. */
function normalizer(normalizer: unknown, config: TokenizerConfig): unknown {
  const { do_lower_case, strip_accents, tokenize_chinese_chars, tokenizer_class } = config;
  const isBert = (value: unknown): value is object =>
    typeof value === "object" && value !== null && "type" in value && value.type === "BertNormalizer";
  if (!isBert(normalizer) || GENERIC_CLASSES.includes(tokenizer_class ?? "")) return normalizer;
  return {
    ...normalizer,
    ...(do_lower_case === undefined || do_lower_case === null ? {} : { lowercase: do_lower_case }),
    ...(strip_accents === undefined ? {} : { strip_accents }),
    ...(tokenize_chinese_chars === undefined || tokenize_chinese_chars === null
      ? {}
      : { handle_chinese_chars: tokenize_chinese_chars }),
  };
}
