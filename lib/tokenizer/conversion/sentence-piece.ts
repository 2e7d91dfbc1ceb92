import type { AddedToken } from "../pipeline/added-vocabulary.js";
import { mergesOf } from "./merges.js";
import { PieceType, readModelProto, type ModelProto } from "./model-proto.js";
import type { SpaceRules, Spaces } from "./spaces.js";
import type { Settings } from "./settings.js";
import type { Conversion } from "./tokenizer-class.js";

export type Scored = [piece: string, score: number];

/** What a class does to a vocabulary of SentencePiece. */
export interface Rules {
  /** The pieces by their ids, where the class has others than the file. */
  pieces?: (file: Scored[], settings: Settings) => Scored[];
  /** The id of the unknown piece, where it is not the file's. */
  unknownId?: number;
  /** Special tokens beside the control pieces of the file. */
  special?: (settings: Settings) => string[];
  /** Normalizers before those of the file. */
  before?: (settings: Settings) => object[];
  spaces: SpaceRules;
  /** Whether the file has settings that transformers leaves out for this class; they count here. */
  leftOut: (file: ModelProto) => Record<string, boolean>;
}

/** A `ModelProto` with a unigram or a BPE vocabulary. */
export function sentencePiece(rules: Rules) {
  return ([file]: readonly Buffer[], settings: Settings): Conversion => {
    const { options } = settings;
    const proto = read(file!);
    const pieces = proto.pieces.map(({ text, score }): Scored => [text, score]);
    const scored = rules.pieces?.(pieces, settings) ?? pieces;
    const ids = new Map(scored.map(([piece], id) => [piece, id]));
    const dummyPrefix = proto.addDummyPrefix && options.add_prefix_space !== false;
    const spaces = rules.spaces({ dummyPrefix, keepsAll: !proto.removeExtraWhitespaces }, options);
    const normalizers = [
      ...(rules.before?.(settings) ?? []),
      ...charactersOf(proto),
      ...(proto.removeExtraWhitespaces ? whiteSpaceOf(spaces) : []),
      ...spaces.normalizers,
    ];
    return {
      model: proto.modelType === 1 ? unigram(proto, scored, rules) : bpe(proto, scored, ids),
      normalizer: normalizers.length === 0 ? null : { type: "Sequence", normalizers },
      pre_tokenizer: spaces.preTokenizer,
      added_tokens: addedTokens(proto, ids, rules.special?.(settings) ?? []),
      addedAsGiven: spaces.normalizers.some(({ type }) => type === "Prepend"),
      leftOut: Object.entries(rules.leftOut(proto)).flatMap(([setting, is]) => (is ? [setting] : [])),
    };
  };
}

function read(file: Buffer): ModelProto {
  if (/^[\w+/]+=* \d+\n/.test(file.toString("latin1", 0, 200))) {
    throw new Error("it is a vocabulary of tiktoken, not of SentencePiece");
  }
  const proto = readModelProto(file);
  const { modelType, spaceIsSuffix, escapeWhitespaces } = proto;
  if (modelType !== 1 && modelType !== 2) {
    const kinds: Record<number, string> = { 3: "words", 4: "characters" };
    const kind = kinds[modelType] ?? `the unknown type ${modelType}`;
    throw new Error(`its vocabulary is one of ${kind}; unigram and BPE are supported`);
  }
  if (spaceIsSuffix) throw new Error("its treat_whitespace_as_suffix is not supported");
  if (!escapeWhitespaces) throw new Error("its escape_whitespaces is false, which is not supported");
  return proto;
}

function unigram(proto: ModelProto, vocab: Scored[], { unknownId }: Rules): Conversion["model"] {
  return { type: "Unigram", unk_id: unknownId ?? proto.unknownId, vocab, byte_fallback: proto.byteFallback };
}

function bpe(proto: ModelProto, scored: Scored[], ids: ReadonlyMap<string, number>): Conversion["model"] {
  return {
    type: "BPE",
    dropout: null,
    unk_token: proto.unknownPiece,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: proto.byteFallback,
    vocab: Object.fromEntries(ids),
    merges: mergesOf(new Map(scored)),
  };
}

function charactersOf({ charsmap }: ModelProto): object[] {
  if (charsmap.length === 0) return [];
  return [{ type: "Precompiled", precompiled_charsmap: charsmap.toString("base64") }];
}

/** What `remove_extra_whitespaces` removes. */
function whiteSpaceOf({ stripsLeft, stripsRight }: Spaces): object[] {
  const replace = (Regex: string, content: string) => ({ type: "Replace", pattern: { Regex }, content });
  return [
    replace(" {2,}", " "),
    ...(stripsRight ? [replace(" \\z", "")] : []),
    ...(stripsLeft ? [replace("\\A ", "")] : []),
  ];
}

/** Control pieces are special, those that users defined are not. */
function addedTokens(
  { pieces }: ModelProto,
  ids: ReadonlyMap<string, number>,
  special: string[],
): Conversion["added_tokens"] {
  const own = pieces
    .filter(({ type }) => type === PieceType.Control || type === PieceType.UserDefined)
    .map(({ text, type }): [string, boolean] => [text, type === PieceType.Control]);
  const all = new Map([...own, ...special.map((text): [string, boolean] => [text, true])]);
  return [...all].flatMap(([content, special]) => {
    const id = ids.get(content);
    const token: AddedToken = {
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    };
    return id === undefined ? [] : [{ id, ...token }];
  });
}
