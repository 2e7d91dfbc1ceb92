import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import {
  NAMED_TOKENS,
  type SpecialTokensMap,
  type TokenizerConfig,
  type TokenizerJson,
  readSpecialTokensMap,
  readTokenizerConfig,
  readTokenizerJson,
  tokenText,
} from "./config.js";

/** What a directory says about its tokenizer. */
export interface TokenizerFiles {
  directory: string;
  config: TokenizerConfig;
  json: TokenizerJson;
  /** `bos_token`, `eos_token`, … and names of the model's own, as the chat template sees them. */
  specialTokens: Record<string, string>;
}

/** Reads tokenizer.json, tokenizer_config.json and, where the config does not list its tokens, special_tokens_map.json. */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const path = join(directory, "tokenizer.json");
  const [json, ownConfig, tokensMap] = await Promise.all([
    readTokenizerJson(path),
    readTokenizerConfig(join(directory, "tokenizer_config.json")),
    readSpecialTokensMap(join(directory, "special_tokens_map.json")),
  ]);
  if (json === undefined) throw await missing(directory);
  const config = { ...ownConfig };
  if (config.added_tokens_decoder === undefined) Object.assign(config, tokensMap);
  return { directory, config, json, specialTokens: specialTokens(config) };
}

async function missing(directory: string): Promise<RewardModelScoreError> {
  if (!(await exists(directory))) {
    return new RewardModelScoreError(
      "ERR_NOT_FOUND",
      `The tokenizer's directory ${directory} does not exist`,
      {
        path: directory,
      },
    );
  }
  const path = join(directory, "tokenizer.json");
  for (const other of [
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "tekken.json",
    "vocab.json",
  ]) {
    if (await exists(join(directory, other))) {
      return new RewardModelScoreError(
        "ERR_TOKENIZER",
        `${directory} has ${other} but no tokenizer.json, which is the only kind that is read here; in Python, AutoTokenizer.from_pretrained("${directory}").save_pretrained("${directory}") writes it, or name another tokenizer with the option tokenizer`,
        { path },
      );
    }
  }
  return new RewardModelScoreError(
    "ERR_TOKENIZER",
    `${directory} has no tokenizer.json; name the directory or repository that has it with the option tokenizer`,
    { path },
  );
}

/**
 * The special tokens by name, as transformers hands them to a chat template: the seven standard names, keys of the
 * config that end in `_token`, and the named ones of `extra_special_tokens`.
 */
function specialTokens(config: TokenizerConfig): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of NAMED_TOKENS) {
    const token = config[name];
    if (token !== undefined && token !== null) tokens[name] = tokenText(token);
  }
  for (const [name, value] of Object.entries(config)) {
    if (name.endsWith("_token") && !(name in tokens) && typeof value === "string") tokens[name] = value;
  }
  const extra = config.extra_special_tokens ?? config.additional_special_tokens;
  if (extra !== undefined && extra !== null && !Array.isArray(extra)) {
    for (const [name, token] of Object.entries(extra)) tokens[name] = tokenText(token);
  }
  return tokens;
}

/** All texts that the config calls special tokens, named or not. */
export function specialTexts(config: SpecialTokensMap, named: Record<string, string>): string[] {
  const extra = config.extra_special_tokens ?? config.additional_special_tokens ?? [];
  const list = Array.isArray(extra) ? extra.map(tokenText) : [];
  return [...new Set([...Object.values(named), ...list])];
}
