import { beginsAndEnds, frame } from "../frames.js";
import { sentencePiece, type Rules, type Scored } from "../sentence-piece.js";
import { spacesAsTheyAre, spacesOfTexts, spacesOfWords } from "../spaces.js";
import type { ModelProto } from "../model-proto.js";
import type { ClassOptions } from "../settings.js";
import type { TokenizerClass } from "../tokenizer-class.js";
import { BERT_NAMES, ROBERTA_NAMES, withSpaceBefore } from "./names.js";

/** Of these models transformers 5 takes no class, whichever is named. */
const WITHOUT_CLASS = ["internlm2", "ministral", "mistral", "mixtral", "persimmon", "phi3"];

const leftOutOfTexts = ({ charsmap, removeExtraWhitespaces }: ModelProto) => ({
  precompiled_charsmap: charsmap.length > 0,
  remove_extra_whitespaces: removeExtraWhitespaces,
});

const leftOutOfWords = ({ addDummyPrefix, byteFallback, removeExtraWhitespaces }: ModelProto) => ({
  "add_dummy_prefix: false": !addDummyPrefix,
  byte_fallback: byteFallback,
  "remove_extra_whitespaces: false": !removeExtraWhitespaces,
});

export const llama: TokenizerClass = {
  files: ["tokenizer.model"],
  named: { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
  convert: sentencePiece({
    unknownId: 0,
    spaces: spacesOfTexts,
    leftOut: (file) => ({ ...leftOutOfTexts(file), "add_dummy_prefix: false": !file.addDummyPrefix }),
  }),
  frame: beginsAndEnds(true),
  differs: ({ options, modelType, isNamed, normalizer }) => {
    const spaces = "it treats spaces at the beginning of a text otherwise";
    const hasClass = isNamed && !WITHOUT_CLASS.includes(modelType ?? "");
    // Without a class it takes tokenizer.json as it is.
    if (normalizer !== undefined) return hasClass && hasType(normalizer, "Prepend") ? spaces : undefined;
    if (!hasClass) return "it puts no space before a text";
    return options.legacy === false ? undefined : spaces;
  },
};

export const gemma: TokenizerClass = {
  files: ["tokenizer.model"],
  named: { bos_token: "<bos>", eos_token: "<eos>", unk_token: "<unk>", pad_token: "<pad>" },
  convert: sentencePiece({
    pieces: (file, { named }) => {
      // Old files have no tab but its byte.
      const hasTab = file.some(([piece]) => piece === "\t");
      const names = (["pad_token", "eos_token", "bos_token"] as const).map(named);
      return file.map(([piece, score], id): Scored => {
        if (id < names.length) return [names[id] ?? piece, 0];
        return !hasTab && piece === "<0x09>" ? ["\t", 0] : [piece, score];
      });
    },
    unknownId: 3,
    spaces: spacesAsTheyAre,
    leftOut: leftOutOfTexts,
  }),
  frame: beginsAndEnds(true),
};

/** fairseq puts pieces of its own in the place of the file's first ones, and a mask at the end. */
function fairseq(own: Scored[], replaced: number): NonNullable<Rules["pieces"]> {
  return (file) => [...own, ...file.slice(replaced), ["<mask>", 0]];
}

export const xlmRoberta: TokenizerClass = {
  files: ["sentencepiece.bpe.model"],
  named: ROBERTA_NAMES,
  convert: sentencePiece({
    pieces: fairseq(
      ["<s>", "<pad>", "</s>", "<unk>"].map((piece) => [piece, 0]),
      3,
    ),
    unknownId: 3,
    spaces: spacesOfWords([]),
    leftOut: leftOutOfWords,
  }),
  frame: frame("<s> A </s>", "<s> A </s> </s> B </s>"),
};

export const camembert: TokenizerClass = {
  files: ["sentencepiece.bpe.model"],
  named: ROBERTA_NAMES,
  convert: sentencePiece({
    pieces: fairseq(
      [
        ["<s>NOTUSED", 0],
        ["<pad>", 0],
        ["</s>NOTUSED", 0],
        ["<unk>", 0],
        ["<unk>NOTUSED", -100],
      ],
      1,
    ),
    unknownId: 3,
    special: () => ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
    spaces: spacesOfWords([]),
    leftOut: leftOutOfWords,
  }),
  frame: frame("<s> A </s>", "<s> A </s> </s> B </s>"),
};

const QUOTES = ["``", "''"].map((quote) => ({ type: "Replace", pattern: { String: quote }, content: '"' }));

export const albert: TokenizerClass = {
  files: ["spiece.model"],
  named: {
    bos_token: "[CLS]",
    eos_token: "[SEP]",
    ...BERT_NAMES,
    unk_token: "<unk>",
    pad_token: "<pad>",
    mask_token: withSpaceBefore("[MASK]"),
  },
  convert: sentencePiece({
    // A number and the comma behind it are two pieces where that is possible.
    pieces: (file) => file.map(([piece, score]) => [piece, /\p{Nd},$/u.test(piece) ? score - 100 : score]),
    before: ({ options }) => [
      ...QUOTES,
      ...(options.keep_accents ? [] : [{ type: "NFKD" }, { type: "StripAccents" }]),
      ...(options.do_lower_case === false ? [] : [{ type: "Lowercase" }]),
    ],
    // The space before symbols that stand for themselves is a piece of its own, and so is one at the end.
    spaces: (file, options) => ({ ...spacesOfWords([])(file, options), stripsRight: false }),
    leftOut: leftOutOfWords,
  }),
  frame: frame("[CLS] A [SEP]", "[CLS] A [SEP] | B [SEP]"),
  differs: () => "it leaves out a space before quotes, brackets and dashes, and at the end",
};

export const t5: TokenizerClass = {
  files: ["spiece.model"],
  named: { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" },
  convert: sentencePiece({
    pieces: (file, { options }) => [...file, ...sentinels(options).map((token): Scored => [token, 0])],
    special: ({ options }) => sentinels(options),
    spaces: spacesOfWords([]),
    leftOut: leftOutOfWords,
  }),
  frame: frame("A </s>", "A </s> B </s>"),
  differs: ({ options }) =>
    options.legacy === false ? "it puts a space before each part between special tokens" : undefined,
};

function sentinels({ extra_ids }: ClassOptions): string[] {
  return Array.from({ length: extra_ids ?? 100 }, (_token, index) => `<extra_id_${index}>`).reverse();
}

export const debertaV2: TokenizerClass = {
  files: ["spm.model"],
  named: { bos_token: "[CLS]", eos_token: "[SEP]", ...BERT_NAMES },
  convert: sentencePiece({
    before: ({ options }) => (options.do_lower_case ? [{ type: "Lowercase" }] : []),
    spaces: (file, options) => {
      const punctuation = options.split_by_punct ? [{ type: "Punctuation", behavior: "Isolated" }] : [];
      return { ...spacesOfWords(punctuation)(file, options), stripsLeft: true };
    },
    leftOut: leftOutOfWords,
  }),
  frame: frame("[CLS] A [SEP]", "[CLS] A [SEP] | B [SEP]"),
  differs: ({ normalizer }) =>
    normalizer === undefined || hasType(normalizer, "Precompiled")
      ? "it does not apply the file's rules for characters"
      : undefined,
};

function hasType(normalizer: unknown, type: string): boolean {
  return JSON.stringify(normalizer).includes(`"type":"${type}"`);
}
