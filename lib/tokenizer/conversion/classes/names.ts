import type { AddedTokenConfig } from "../../config.js";

/** A token to which the space before it belongs. */
export function withSpaceBefore(content: string): AddedTokenConfig {
  return { content, single_word: false, lstrip: true, rstrip: false, normalized: false, special: true };
}

export const BERT_NAMES = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};

export const ROBERTA_NAMES = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: withSpaceBefore("<mask>"),
};
