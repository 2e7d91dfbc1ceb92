import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { exists } from "../io/exists.js";
import { type AddedToken } from "./pipeline/added-vocabulary.js";
import { checkId } from "./pipeline/token-id.js";
import { stateTokens, type StatedTokens } from "./added-tokens.js";
import {
  readAddedTokensJson,
  readSpecialTokensMap,
  readTokenizerConfig,
  readTokenizerJson,
  type TokenizerConfig,
  type TokenizerJson,
} from "./config.js";

/** What a directory says about its tokenizer. */
export interface TokenizerFiles {
  directory: string;
  config: TokenizerConfig;
  json: TokenizerJson;
  /** The tokens of tokenizer.json itself. */
  ownTokens: (AddedToken & { id: number })[];
  /** What all of the files say of tokens. */
  tokens: StatedTokens;
}

export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const [json, config = {}, specialTokensMap, addedTokens] = await Promise.all([
    readTokenizerJson(join(directory, "tokenizer.json")),
    readTokenizerConfig(join(directory, "tokenizer_config.json")),
    readSpecialTokensMap(join(directory, "special_tokens_map.json")),
    readAddedTokensJson(join(directory, "added_tokens.json")),
  ]);
  if (json === undefined) throw await missing(directory);
  const own = inFile(directory, "tokenizer.json", () => ownTokens(json));
  if (addedTokens !== undefined) {
    inFile(directory, "added_tokens.json", () => checkIds(Object.entries(addedTokens), "it"));
  }
  inFile(directory, "tokenizer_config.json", () => checkKeys(config));
  const tokens = stateTokens({
    config,
    specialTokensMap,
    addedTokens: addedTokens as Record<string, number> | undefined,
    own,
    padToken: json.padding?.pad_token,
  });
  return { directory, config, json, ownTokens: own, tokens };
}

function ownTokens({ added_tokens }: TokenizerJson): (AddedToken & { id: number })[] {
  checkIds(
    added_tokens.map(({ content, id }) => [content, id]),
    "added_tokens",
  );
  return added_tokens as (AddedToken & { id: number })[];
}

function checkIds(tokens: [token: string, id: unknown][], place: string): void {
  const owners = new Map<number, string>();
  for (const [token, id] of tokens) checkId(id, token, place, owners);
}

/** The ids of `added_tokens_decoder` are keys. */
function checkKeys({ added_tokens_decoder }: TokenizerConfig): void {
  for (const [key, { content }] of Object.entries(added_tokens_decoder ?? {})) {
    const id = /^(?:0|[1-9]\d*)$/.test(key) ? Number(key) : key;
    checkId(id, content, "added_tokens_decoder", new Map());
  }
}

function inFile<T>(directory: string, name: string, read: () => T): T {
  const path = join(directory, name);
  try {
    return read();
  } catch (cause) {
    throw new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${path} is damaged: ${(cause as Error).message}`,
      { path },
      { cause },
    );
  }
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
