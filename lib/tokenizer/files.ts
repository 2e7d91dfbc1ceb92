import { join } from "node:path";
import { convertVocabulary, takeVocabulary } from "./conversion/convert.js";
import { inFile } from "./damage.js";
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
  /** tokenizer.json, or what a vocabulary in another form was made into. */
  json: TokenizerJson;
  /** Of the file that it comes from. */
  path: string;
  /** The tokens of `json` itself. */
  ownTokens: (AddedToken & { id: number })[];
  /** What all of the files say of tokens. */
  tokens: StatedTokens;
  /** What is doubtful about them. */
  warnings: string[];
}

export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const [json, config = {}, specialTokensMap, addedTokens] = await Promise.all([
    readTokenizerJson(join(directory, "tokenizer.json")),
    readTokenizerConfig(join(directory, "tokenizer_config.json")),
    readSpecialTokensMap(join(directory, "special_tokens_map.json")),
    readAddedTokensJson(join(directory, "added_tokens.json")),
  ]);
  if (addedTokens !== undefined) {
    inFile(join(directory, "added_tokens.json"), () => checkIds(Object.entries(addedTokens), "it"));
  }
  inFile(join(directory, "tokenizer_config.json"), () => checkKeys(config));
  const vocabulary =
    json === undefined
      ? await convertVocabulary(directory, config, specialTokensMap)
      : await takeVocabulary(directory, json, config, specialTokensMap);
  const own = inFile(vocabulary.path, () => ownTokens(vocabulary.json));
  const { added, named } = stateTokens({
    config: vocabulary.config,
    specialTokensMap: vocabulary.specialTokensMap,
    addedTokens: addedTokens as Record<string, number> | undefined,
    own,
    padToken: vocabulary.json.padding?.pad_token,
    ofClass: vocabulary.ofClass,
  });
  const completed = vocabulary.complete(added);
  return {
    directory,
    config,
    json: { ...vocabulary.json, post_processor: completed.postProcessor },
    path: vocabulary.path,
    ownTokens: own,
    tokens: { named, added: completed.added },
    warnings: vocabulary.warnings,
  };
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
