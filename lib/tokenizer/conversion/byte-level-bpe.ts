import type { Settings } from "./settings.js";
import type { Conversion } from "./tokenizer-class.js";

/** What a class of byte-level BPE does before the bytes are merged. */
interface Rules {
  normalizer?: object;
  /** A regular expression of what is merged by itself, else GPT-2's. */
  words?: string;
}

/** `vocab.json` and `merges.txt`. */
export function byteLevelBpe({ normalizer, words }: Rules) {
  return ([vocab, merges]: readonly Buffer[], { options }: Settings): Conversion => {
    const add_prefix_space = options.add_prefix_space ?? false;
    const bytes = { type: "ByteLevel", add_prefix_space, trim_offsets: true, use_regex: words === undefined };
    return {
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: "",
        end_of_word_suffix: "",
        fuse_unk: false,
        byte_fallback: false,
        vocab: readVocabulary(vocab!),
        merges: readMerges(merges!),
      },
      normalizer: normalizer ?? null,
      pre_tokenizer:
        words === undefined
          ? bytes
          : {
              type: "Sequence",
              pretokenizers: [
                { type: "Split", pattern: { Regex: words }, behavior: "Isolated", invert: false },
                bytes,
              ],
            },
      added_tokens: [],
    };
  };
}

function readVocabulary(bytes: Buffer): Record<string, number> {
  const vocab: unknown = JSON.parse(bytes.toString("utf8"));
  if (typeof vocab === "object" && vocab !== null && !Array.isArray(vocab)) {
    return vocab as Record<string, number>; // its ids are checked where the model is made of it
  }
  throw new Error("it is no object of tokens and ids");
}

/** Two tokens a line, the pair that is merged first at the top; a line above them may name the version of the format. */
function readMerges(bytes: Buffer): string[][] {
  const lines = bytes.toString("utf8").split(/\r?\n/);
  return lines
    .map((line) => line.trimEnd())
    .filter((line) => line !== "" && !line.startsWith("#version"))
    .map((line) => line.split(" "));
}
