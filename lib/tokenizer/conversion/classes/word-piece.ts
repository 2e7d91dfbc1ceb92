import { frame } from "../frames.js";
import type { TokenizerClass } from "../tokenizer-class.js";
import { wordPiece } from "../word-piece.js";
import { BERT_NAMES, ROBERTA_NAMES } from "./names.js";

export const bert: TokenizerClass = {
  files: ["vocab.txt"],
  named: BERT_NAMES,
  convert: wordPiece,
  frame: frame("cls_token A sep_token", "cls_token A sep_token | B sep_token"),
};

export const mpnet: TokenizerClass = {
  files: ["vocab.txt"],
  named: { ...ROBERTA_NAMES, unk_token: "[UNK]" },
  convert: wordPiece,
  frame: frame("cls_token A sep_token", "cls_token A sep_token sep_token | B sep_token"),
};
