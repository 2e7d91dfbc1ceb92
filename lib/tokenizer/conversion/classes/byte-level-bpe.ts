import { byteLevelBpe } from "../byte-level-bpe.js";
import { beginsAndEnds, frame } from "../frames.js";
import type { TokenizerClass } from "../tokenizer-class.js";
import { BERT_NAMES, ROBERTA_NAMES, withSpaceBefore } from "./names.js";

const FILES = ["vocab.json", "merges.txt"];

const GPT2_NAMES = { bos_token: "<|endoftext|>", eos_token: "<|endoftext|>", unk_token: "<|endoftext|>" };

const QWEN2_WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

export const gpt2: TokenizerClass = {
  files: FILES,
  named: GPT2_NAMES,
  convert: byteLevelBpe({}),
  frame: beginsAndEnds(false),
};

export const gptNeoX: TokenizerClass = {
  files: FILES,
  named: { ...GPT2_NAMES, pad_token: "<|padding|>" },
  convert: byteLevelBpe({ normalizer: { type: "NFC" } }),
  frame: beginsAndEnds(false),
};

export const qwen2: TokenizerClass = {
  files: FILES,
  named: { eos_token: "<|endoftext|>", unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" },
  convert: byteLevelBpe({ normalizer: { type: "NFC" }, words: QWEN2_WORDS }),
};

export const roberta: TokenizerClass = {
  files: FILES,
  named: ROBERTA_NAMES,
  convert: byteLevelBpe({}),
  frame: frame("cls_token A sep_token", "cls_token A sep_token sep_token B sep_token"),
};

export const deberta: TokenizerClass = {
  files: FILES,
  named: {
    bos_token: "[CLS]",
    eos_token: "[SEP]",
    ...BERT_NAMES,
    mask_token: withSpaceBefore("[MASK]"),
  },
  convert: byteLevelBpe({}),
  frame: frame("[CLS] A [SEP]", "[CLS] A [SEP] | B [SEP]"),
  differs: () => "it puts [SEP] twice between the texts of a pair",
};
