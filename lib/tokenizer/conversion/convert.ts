import { join } from "node:path";
import * as v from "valibot";
import { RewardModelScoreError } from "../../errors.js";
import { readBytes } from "../../io/regular-file.js";
import type { SpecialTokensMap, Token, TokenizerConfig, TokenizerJson } from "../config.js";
import { tokenText } from "../config.js";
import { inFile } from "../damage.js";
import { AddedVocabulary, type AddedToken } from "../pipeline/added-vocabulary.js";
import { chooseClass } from "./choose-class.js";
import { CLASSES } from "./classes.js";
import { differences } from "./differences.js";
import { templateProcessing, type Frame } from "./frames.js";
import { refusal } from "./refusal.js";
import { ClassOptions, type TokenName } from "./settings.js";
import type { Conversion, TokenizerClass } from "./tokenizer-class.js";

/** A vocabulary as tokenizer.json has it, or would have it, and the files beside it. */
export interface Vocabulary {
  json: TokenizerJson;
  path: string;
  /** With the flags that the class gives to tokens. */
  config: TokenizerConfig;
  specialTokensMap: SpecialTokensMap | undefined;
  /** The tokens that the class has by name. */
  ofClass: TokenizerClass["named"];
  /** When the files have added their tokens: as what they are looked for, and what stands around texts by their ids. */
  complete: (added: AddedToken[]) => { added: AddedToken[]; postProcessor: unknown };
  warnings: string[];
}

/**
 * Makes of `vocab.txt`, of `vocab.json` and `merges.txt`, or of a model of SentencePiece what transformers makes of them
 * for the class that the folder names.
 *
 * @throws ERR_NOT_FOUND, ERR_TOKENIZER, ERR_MODEL_CONFIG, ERR_IO
 */
export async function convertVocabulary(
  directory: string,
  config: TokenizerConfig,
  specialTokensMap: SpecialTokensMap | undefined,
): Promise<Vocabulary> {
  const chosen = await chooseClass(directory, config);
  const tokenizerClass = CLASSES.get(chosen.name ?? "");
  const files = await readAll(directory, tokenizerClass?.files ?? []);
  if (tokenizerClass === undefined || files === undefined) throw await refusal(directory, chosen);

  const { named: own, frame } = tokenizerClass;
  for (const [index, file] of files.entries())
    requireContent(join(directory, tokenizerClass.files[index]!), file);
  const options = classOptions(directory, config);
  const said = config.added_tokens_decoder ? config : { ...config, ...specialTokensMap };
  const named = (name: TokenName): string | undefined => {
    const token = said[name] ?? own[name];
    return token === undefined ? undefined : tokenText(token);
  };
  const path = join(directory, tokenizerClass.files[0]!);
  const {
    leftOut = [],
    addedAsGiven = false,
    ...conversion
  } = inFile(path, () => tokenizerClass.convert(files, { options, named }));
  const around = frame?.({ options, named });
  return {
    json: {
      ...conversion,
      added_tokens: conversion.added_tokens.map((token) => ({ ...flagged(token, own, named) })),
      post_processor: null,
    },
    path,
    config: withFlags(config, own),
    specialTokensMap: specialTokensMap && withFlags(specialTokensMap, own),
    ofClass: own,
    complete: (added) => ({
      added: addedAsGiven ? added.map((token) => ({ ...token, normalized: false })) : added,
      postProcessor: postProcessor(around, idsOf(conversion, added), named("unk_token")),
    }),
    warnings: [
      ...differences(path, chosen, options),
      ...leftOut.map(
        (setting) =>
          `${path} sets ${setting}, which transformers leaves out of a tokenizer of the class ${chosen.name}; here it counts, as in SentencePiece.`,
      ),
    ],
  };
}

/** What a folder with tokenizer.json has, which is taken as it is. */
export async function takeVocabulary(
  directory: string,
  json: TokenizerJson,
  config: TokenizerConfig,
  specialTokensMap: SpecialTokensMap | undefined,
): Promise<Vocabulary> {
  const path = join(directory, "tokenizer.json");
  const chosen = await chooseClass(directory, config);
  return {
    json,
    path,
    config,
    specialTokensMap,
    ofClass: {},
    complete: (added) => ({ added, postProcessor: json.post_processor }),
    // Where a class without rules is named, transformers 5 takes the file as it is, too.
    warnings: chosen.isGeneric ? [] : differences(path, chosen, config, json.normalizer),
  };
}

/** A token without an id is the unknown one. */
function postProcessor(
  frame: Frame | undefined,
  idOf: (token: string) => number | undefined,
  unknown = "",
): object | null {
  return frame === undefined ? null : templateProcessing(frame, (token) => idOf(token) ?? idOf(unknown));
}

/** Undefined where one is missing. */
async function readAll(directory: string, names: readonly string[]): Promise<Buffer[] | undefined> {
  const files = await Promise.all(names.map((name) => readBytes(join(directory, name))));
  return files.every((file) => file !== undefined) ? files : undefined;
}

function requireContent(path: string, file: Buffer): void {
  if (!file.toString("latin1", 0, 30).startsWith("version https://git-lfs")) return;
  throw new RewardModelScoreError(
    "ERR_TOKENIZER",
    `${path} is a Git LFS pointer, not the file itself; fetch it with git lfs pull`,
    { path },
  );
}

function classOptions(directory: string, config: TokenizerConfig): ClassOptions {
  return inFile(join(directory, "tokenizer_config.json"), () => {
    const result = v.safeParse(ClassOptions, config);
    if (result.success) return result.output;
    const [issue] = result.issues;
    throw new Error(`${v.getDotPath(issue)}: ${issue.message}`);
  });
}

type Names = TokenizerClass["named"];

/** Tokens that are only texts, with the flags that the class gives to tokens by these names. */
function withFlags<Values extends SpecialTokensMap>(values: Values, own: Names): Values {
  const result = { ...values };
  for (const [name, token] of Object.entries(own) as [TokenName, Token][]) {
    const text = values[name];
    if (typeof text === "string" && typeof token !== "string") result[name] = { ...token, content: text };
  }
  return result;
}

function flagged(
  token: AddedToken & { id: number },
  own: Names,
  named: (name: TokenName) => string | undefined,
): AddedToken & { id: number } {
  const entries = Object.entries(own) as [TokenName, Token][];
  const flags = entries.find(([name, flags]) => typeof flags !== "string" && named(name) === token.content);
  return flags === undefined ? token : { ...token, ...(flags[1] as AddedToken), content: token.content };
}

function idsOf(
  { model: { vocab }, added_tokens }: Conversion,
  added: readonly AddedToken[],
): (token: string) => number | undefined {
  const listed = Array.isArray(vocab);
  const idOf = (token: string): number | undefined => {
    if (!listed) return Object.hasOwn(vocab, token) ? vocab[token] : undefined;
    const id = vocab.findLastIndex(([piece]) => piece === token);
    return id < 0 ? undefined : id;
  };
  const size = listed ? vocab.length : Object.keys(vocab).length;
  const all = new AddedVocabulary({ size, idOf, encode: () => {} }, (piece) => piece);
  all.add(added_tokens);
  all.add(added);
  return (token) => all.idOf(token);
}
