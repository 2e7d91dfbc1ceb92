import { toRegExpDetails } from "oniguruma-to-es";
import * as v from "valibot";

/** A pattern of tokenizer.json: a regular expression in Oniguruma's syntax, or a text as it is. */
export const PatternSchema = v.union([
  v.strictObject({ Regex: v.string() }),
  v.strictObject({ String: v.string() }),
]);
export type Pattern = v.InferOutput<typeof PatternSchema>;

/** Throws an Error that names the place of a pattern that cannot be matched here as Oniguruma matches it. */
export function compile(pattern: Pattern, place: string): RegExp {
  if ("String" in pattern) return new RegExp(pattern.String.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gu");
  try {
    return translate(pattern.Regex);
  } catch (cause) {
    throw new Error(
      `${place} is the regular expression ${JSON.stringify(pattern.Regex)}, which is not supported: ${(cause as Error).message}; name another tokenizer with the option tokenizer`,
      { cause },
    );
  }
}

/**
 * What counts as part of a word: by itself, Oniguruma takes some signs of Latin-1 for it that it does not take for it
 * in a character class.
 */
const WORD_IN_CLASS = "\\p{Alpha}\\p{M}\\p{Nd}\\p{Pc}";
const WORD = `[${WORD_IN_CLASS}²³¹¼½¾]`;
const NO_WORD = `[^${WORD_IN_CLASS}²³¹¼½¾]`;

const REWRITTEN: Record<string, string> = {
  "\\w": WORD,
  "\\W": NO_WORD,
  "\\p{Word}": WORD,
  "\\P{Word}": NO_WORD,
  "\\p{^Word}": NO_WORD,
  "\\b": `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`,
  "\\B": `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`,
};
const REWRITTEN_IN_CLASS: Record<string, string> = {
  "\\w": WORD_IN_CLASS,
  "\\W": `[^${WORD_IN_CLASS}]`,
  "\\p{Word}": WORD_IN_CLASS,
  "\\P{Word}": `[^${WORD_IN_CLASS}]`,
  "\\p{^Word}": `[^${WORD_IN_CLASS}]`,
};

/** Of these, Oniguruma's table differs from JavaScript's, or nothing is equal to them. */
const UNSUPPORTED = /^\\(?:[XKyYgkG]|[pP]\{\^?[Ee]xtended_?[Pp]ictographic\})$/;

/** Without case, Oniguruma takes these for ligatures and ß too; letters beyond ASCII may have more than two cases. */
const FOLDED_OTHERWISE = /s[st]|f[fil]|\\[xu]|[^\0-\x7f]/i;

const TOKEN = /\\[pP]\{[^}]*\}|\\.|\(\?[a-z-]+[:)]|\[\^?\]?|./gsu;

function translate(pattern: string): RegExp {
  // A letter that can never match keeps the translator from ignoring case everywhere where only a part does.
  const {
    pattern: source,
    flags,
    options,
  } = toRegExpDetails(`(?:${rewrite(pattern)})|a(?<!a)`, {
    global: true,
  });
  if (options?.strategy != null) throw new Error("it depends on where the search begins");
  // V8 does not repeat [^] under the flag v.
  return new RegExp(source.replaceAll("[^]", "\\p{Any}"), flags);
}

function rewrite(pattern: string): string {
  let depth = 0;
  let ignoresCase = false;
  const groups: boolean[] = [];
  let folded = "";
  const result = pattern.replace(TOKEN, (token) => {
    if (token.startsWith("[")) depth++;
    else if (token === "]") depth--;
    else if (depth === 0 && token.startsWith("(")) {
      if (!token.endsWith(")")) groups.push(ignoresCase);
      const [, on, off] = /^\(\?([a-z]*)-?([a-z]*)/.exec(token) ?? [];
      ignoresCase = (ignoresCase || on?.includes("i") === true) && off?.includes("i") !== true;
    } else if (depth === 0 && token === ")") ignoresCase = groups.pop() ?? false;
    else if (UNSUPPORTED.test(token)) throw new Error(`${token} is not known`);
    if (ignoresCase) folded += token;
    const table = depth > 0 ? REWRITTEN_IN_CLASS : REWRITTEN;
    return Object.hasOwn(table, token) ? table[token]! : token;
  });
  const odd = FOLDED_OTHERWISE.exec(folded);
  if (odd !== null) throw new Error(`it ignores the case of ${odd[0]}`);
  return result;
}
