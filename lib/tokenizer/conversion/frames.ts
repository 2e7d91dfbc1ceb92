import type { Settings, TokenName } from "./settings.js";

/** A text of a pair, or a special token, and the type of its tokens. */
export type TemplatePart = [part: { text: "A" | "B" } | { token: string }, type: number];
export type Frame = { single: TemplatePart[]; pair: TemplatePart[] };

/**
 * A frame as transformers writes it: `"cls_token A sep_token | B sep_token"`, where a bar begins what has the type 1. A
 * word is a text, the name of a token, or a token itself.
 */
export function frame(single: string, pair: string): (settings: Settings) => Frame {
  return (settings) => ({ single: parts(single, settings), pair: parts(pair, settings) });
}

function parts(template: string, { named }: Settings): TemplatePart[] {
  let type = 0;
  return template.split(" ").flatMap((word): TemplatePart[] => {
    if (word === "|") type = 1;
    if (word === "|") return [];
    if (word === "A" || word === "B") return [[{ text: word }, type]];
    const token = word.endsWith("_token") ? named(word as TokenName) : word;
    return token === undefined ? [] : [[{ token }, type]];
  });
}

/** A token before each text and one behind it, where the options want them. */
export function beginsAndEnds(beginsByDefault: boolean): (settings: Settings) => Frame | undefined {
  return (settings) => {
    const { add_bos_token, add_eos_token } = settings.options;
    const around = (text: string) =>
      [
        ...((add_bos_token ?? beginsByDefault) ? ["bos_token"] : []),
        text,
        ...(add_eos_token ? ["eos_token"] : []),
      ].join(" ");
    return frame(around("A"), `${around("A")} | ${around("B")}`)(settings);
  };
}

/** The post-processor of tokenizer.json that puts a frame around texts. */
export function templateProcessing(
  { single, pair }: Frame,
  idOf: (token: string) => number | undefined,
): object {
  const written = (template: TemplatePart[]) =>
    template.map(([part, type_id]) =>
      "text" in part
        ? { Sequence: { id: part.text, type_id } }
        : { SpecialToken: { id: part.token, type_id } },
    );
  const tokens = [...single, ...pair].flatMap(([part]) => ("token" in part ? [part.token] : []));
  return {
    type: "TemplateProcessing",
    single: written(single),
    pair: written(pair),
    special_tokens: Object.fromEntries(
      tokens.map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
    ),
  };
}
