import * as v from "valibot";
import type { NAMED_TOKENS } from "../config.js";

export type TokenName = (typeof NAMED_TOKENS)[number];

const flag = v.nullish(v.boolean());

/** What tokenizer_config.json says to the classes, each of which reads some of it. */
export const ClassOptions = v.looseObject({
  add_bos_token: flag,
  add_eos_token: flag,
  add_prefix_space: flag,
  do_lower_case: flag,
  extra_ids: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100_000))),
  keep_accents: flag,
  legacy: flag,
  split_by_punct: flag,
  strip_accents: flag,
  tokenize_chinese_chars: flag,
});
export type ClassOptions = v.InferOutput<typeof ClassOptions>;

/** What the files beside a vocabulary say of its tokenizer. */
export interface Settings {
  options: ClassOptions;
  /** The text of a token by its name: what the files say, else what the class does. */
  named: (name: TokenName) => string | undefined;
}
