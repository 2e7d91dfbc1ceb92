import type { Settings } from "./settings.js";
import type { Conversion } from "./tokenizer-class.js";

/** `vocab.txt`: a token a line, whose number is its id; of a token that is there twice the last one counts. */
export function wordPiece([file]: readonly Buffer[], { options, named }: Settings): Conversion {
  const lines = file!.toString("utf8").split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new Error("it has no tokens");
  return {
    model: {
      type: "WordPiece",
      unk_token: named("unk_token"),
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(lines.map((token, id) => [token, id])),
    },
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: options.tokenize_chinese_chars ?? true,
      strip_accents: options.strip_accents ?? null,
      lowercase: options.do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    added_tokens: [],
  };
}
