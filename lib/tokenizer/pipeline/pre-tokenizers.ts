import * as v from "valibot";
import { byteLevel, NUMERIC, PUNCTUATION_MARK, WHITE_SPACE, WORD } from "./characters.js";
import { build, options, type Builders } from "./component.js";
import { prepended } from "./normalizers.js";
import { compile, PatternSchema } from "./oniguruma.js";
import { slice, type Piece } from "./piece.js";
import { BEHAVIORS, split } from "./split.js";

export type PreTokenizer = (piece: Piece) => Piece[];

const BUILDERS: Builders<PreTokenizer> = {
  BertPreTokenizer: () => (piece) =>
    split(piece, WHITE_SPACE, "Removed").flatMap((word) => split(word, PUNCTUATION_MARK, "Isolated")),
  ByteLevel: byteLevelPreTokenizer,
  CharDelimiterSplit: delimiter,
  Digits: digits,
  FixedLength: fixedLength,
  Metaspace: metaspace,
  Punctuation: punctuation,
  Sequence: sequence,
  Split: splitAtPattern,
  Whitespace: () => (piece) => split(piece, WORDS, "Removed", true),
  WhitespaceSplit: () => (piece) => split(piece, WHITE_SPACE, "Removed"),
};

/** null is no pre-tokenizer. */
export function buildPreTokenizer(config: unknown, place = "pre_tokenizer"): PreTokenizer {
  return config === null ? (piece) => [piece] : build(BUILDERS, config, place);
}

const WORDS = new RegExp(`[${WORD}]+|[^${WORD}\\p{White_Space}]+`, "gu");
const GPT2_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const BehaviorSchema = v.picklist(BEHAVIORS);
const Character = v.pipe(
  v.string(),
  v.check((text) => [...text].length === 1, "is not one character"),
);

function sequence(config: unknown, place: string): PreTokenizer {
  const { pretokenizers } = options(v.looseObject({ pretokenizers: v.array(v.unknown()) }), config, place);
  const all = pretokenizers.map((one, index) => build(BUILDERS, one, `${place}.pretokenizers.${index}`));
  return (piece) => all.reduce((pieces, preTokenize) => pieces.flatMap(preTokenize), [piece]);
}

function byteLevelPreTokenizer(config: unknown, place: string): PreTokenizer {
  const { add_prefix_space, use_regex } = options(
    v.looseObject({ add_prefix_space: v.boolean(), use_regex: v.optional(v.boolean(), true) }),
    config,
    place,
  );
  const asBytes = ({ text, head }: Piece): Piece => ({
    text: byteLevel(text),
    head: head === 0 ? 0 : byteLevel(text.slice(0, head)).length,
  });
  return (piece) => {
    const spaced = add_prefix_space && !piece.text.startsWith(" ") ? prepended(piece, " ") : piece;
    return (use_regex ? split(spaced, GPT2_WORDS, "Isolated") : [spaced]).map(asBytes);
  };
}

function delimiter(config: unknown, place: string): PreTokenizer {
  const { delimiter: text } = options(v.looseObject({ delimiter: Character }), config, place);
  const pattern = compile({ String: text }, place);
  return (piece) => split(piece, pattern, "Removed");
}

function digits(config: unknown, place: string): PreTokenizer {
  const { individual_digits } = options(v.looseObject({ individual_digits: v.boolean() }), config, place);
  return (piece) => split(piece, NUMERIC, individual_digits ? "Isolated" : "Contiguous");
}

function punctuation(config: unknown, place: string): PreTokenizer {
  const { behavior } = options(
    v.looseObject({ behavior: v.optional(BehaviorSchema, "Isolated") }),
    config,
    place,
  );
  return (piece) => split(piece, PUNCTUATION_MARK, behavior);
}

function splitAtPattern(config: unknown, place: string): PreTokenizer {
  const { pattern, behavior, invert } = options(
    v.looseObject({ pattern: PatternSchema, behavior: BehaviorSchema, invert: v.boolean() }),
    config,
    place,
  );
  const compiled = compile(pattern, `${place}.pattern`);
  return (piece) => split(piece, compiled, behavior, invert);
}

function fixedLength(config: unknown, place: string): PreTokenizer {
  const { length } = options(
    v.looseObject({ length: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 5) }),
    config,
    place,
  );
  return (piece) => {
    const pieces: Piece[] = [];
    let start = 0;
    let end = 0;
    let characters = 0;
    for (const character of piece.text) {
      end += character.length;
      if (++characters % length === 0) {
        pieces.push(slice(piece, start, end));
        start = end;
      }
    }
    if (start < end) pieces.push(slice(piece, start, end));
    return pieces;
  };
}

function metaspace(config: unknown, place: string): PreTokenizer {
  const {
    replacement,
    prepend_scheme,
    add_prefix_space,
    split: splits,
  } = options(
    v.looseObject({
      replacement: Character,
      prepend_scheme: v.optional(v.picklist(["always", "first", "never"]), "always"),
      add_prefix_space: v.nullish(v.boolean()),
      split: v.nullish(v.boolean(), true),
    }),
    config,
    place,
  );
  if (add_prefix_space === false && prepend_scheme !== "never") {
    throw new Error(`${place}.add_prefix_space is false, but its prepend_scheme is ${prepend_scheme}`);
  }
  const pattern = compile({ String: replacement }, place);
  const replaced = (text: string) => text.replaceAll(" ", () => replacement);
  return (piece) => {
    const { head } = piece;
    const text = replaced(piece.text);
    let result: Piece = { text, head: head === 0 ? 0 : replaced(piece.text.slice(0, head)).length };
    const wanted = prepend_scheme === "always" || (prepend_scheme === "first" && head > 0);
    if (wanted && !text.startsWith(replacement)) result = prepended(result, replacement);
    return splits ? split(result, pattern, "MergedWithNext") : [result];
  };
}
