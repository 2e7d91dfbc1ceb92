import type { ClassOptions } from "./settings.js";

/** SentencePiece writes spaces so. */
const SPACE = "▁";

/** Normalizers behind those of the file, and the pre-tokenizer. */
export interface Spaces {
  normalizers: { type: string }[];
  preTokenizer: object | null;
  /** Whether a space at the beginning and the end is one too many, where the file removes those. */
  stripsLeft: boolean;
  stripsRight: boolean;
}

/** What is known of the spaces of a file: whether it puts one before a text, and keeps each of several. */
interface FileSpaces {
  dummyPrefix: boolean;
  keepsAll: boolean;
}

/** How spaces become part of pieces. */
export type SpaceRules = (file: FileSpaces, options: ClassOptions) => Spaces;

/** Each word begins with its space, the first one too; `legacy: false` is for the first one of the whole text. */
export function spacesOfWords(before: readonly object[]): SpaceRules {
  return (file, options) => {
    // Where several spaces count, words do not begin with one each.
    if (file.keepsAll) return spacesOfTexts(file, options);
    const scheme = prependScheme(file, options);
    const pretokenizers = [...before, metaspace(scheme, true)];
    return {
      normalizers: [],
      preTokenizer: pretokenizers.length === 1 ? pretokenizers[0]! : { type: "Sequence", pretokenizers },
      stripsLeft: scheme === "never",
      stripsRight: true,
    };
  };
}

/** As Llama has it: pieces go over the end of words, and spaces at the beginning of a text stay beside the one put there. */
export const spacesOfTexts: SpaceRules = (file, options) => {
  if (options.legacy === false) {
    const scheme = prependScheme(file, options);
    return {
      normalizers: [],
      preTokenizer: metaspace(scheme, false),
      stripsLeft: scheme === "never",
      stripsRight: true,
    };
  }
  const prepended = file.dummyPrefix ? [{ type: "Prepend", prepend: SPACE }] : [];
  return { normalizers: [...prepended, replaced], preTokenizer: null, stripsLeft: true, stripsRight: true };
};

/** As Gemma has it: pieces go over the end of words, and no space is put before a text. */
export const spacesAsTheyAre: SpaceRules = () => ({
  normalizers: [replaced],
  preTokenizer: null,
  stripsLeft: true,
  stripsRight: true,
});

const replaced = { type: "Replace", pattern: { String: " " }, content: SPACE };

function prependScheme({ dummyPrefix }: FileSpaces, { legacy }: ClassOptions): string {
  if (!dummyPrefix) return "never";
  return legacy === false ? "first" : "always";
}

function metaspace(prepend_scheme: string, split: boolean): object {
  return { type: "Metaspace", replacement: SPACE, prepend_scheme, split };
}
