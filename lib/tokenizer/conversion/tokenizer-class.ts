import type { Token } from "../config.js";
import type { AddedToken } from "../pipeline/added-vocabulary.js";
import type { Frame } from "./frames.js";
import type { ClassOptions, Settings, TokenName } from "./settings.js";

/** The parts of tokenizer.json that a vocabulary becomes, without what stands around texts. */
export interface Conversion {
  model: {
    vocab: Record<string, number> | [token: string, score: number][];
    [option: string]: unknown;
  };
  normalizer: unknown;
  pre_tokenizer: unknown;
  /** Tokens that are found in a text as they are. */
  added_tokens: (AddedToken & { id: number })[];
  /**
   * Whether the tokens that the files add are looked for in the text as it is, also those that are normalized: with
   * something put before it, a token would be found at the beginning only.
   */
  addedAsGiven?: boolean;
  /** Settings of the file that no version of transformers makes part of the tokenizer. */
  leftOut?: string[];
}

/** How a class of transformers makes a tokenizer of its files. */
export interface TokenizerClass {
  /** All of them are needed. */
  files: readonly string[];
  /** The tokens that it has by name where no file says another; an object gives its flags to any text by that name. */
  named: Partial<Record<TokenName, Token>>;
  /** Throws an Error that says how a file is damaged. */
  convert: (files: readonly Buffer[], settings: Settings) => Conversion;
  /** What stands around a text and around a pair; undefined for nothing. */
  frame?: (settings: Settings) => Frame | undefined;
  /** How the ids that transformers 5 makes of the same files differ; undefined where they are the same. */
  differs?: (situation: Situation) => string | undefined;
}

/** What transformers 5 goes by. */
export interface Situation {
  options: ClassOptions;
  modelType: string | undefined;
  isNamed: boolean;
  /** The normalizer of tokenizer.json, where there is one. */
  normalizer?: unknown;
}
