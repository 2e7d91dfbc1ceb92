import * as v from "valibot";
import { CONTROL, lowerCase, NONSPACING_MARK, toForm, WHITE_SPACE } from "./characters.js";
import { options } from "./component.js";

const Schema = v.looseObject({
  clean_text: v.boolean(),
  handle_chinese_chars: v.boolean(),
  /** Where it is not said, they go with the upper case. */
  strip_accents: v.nullish(v.boolean()),
  lowercase: v.boolean(),
});

/** The blocks of ideographs that BERT puts spaces around. */
const IDEOGRAPH =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;

export function bertNormalizer(config: unknown, place: string): (text: string) => string {
  const { clean_text, handle_chinese_chars, strip_accents, lowercase } = options(Schema, config, place);
  return (text) => {
    let result = text;
    if (clean_text) result = result.replace(CONTROL, "").replace(WHITE_SPACE, " ");
    if (handle_chinese_chars) result = result.replace(IDEOGRAPH, " $& ");
    if (strip_accents ?? lowercase) result = toForm(result, "NFD").replace(NONSPACING_MARK, "");
    return lowercase ? lowerCase(result) : result;
  };
}
