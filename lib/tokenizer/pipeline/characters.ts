import { CONTROLS, MARKS, NEWER, NONSPACING_MARKS, PUNCTUATION } from "./unicode-classes.js";

const every = (characters: string) => new RegExp(`[${characters}]`, "gu");

/** Each character of a kind, as the Rust tokenizers know the kinds. */
export const WHITE_SPACE = every("\\p{White_Space}");
export const NUMERIC = every("\\p{N}");
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
export const PUNCTUATION_MARK = every(PUNCTUATION);
export const MARK = every(MARKS);
export const NONSPACING_MARK = every(NONSPACING_MARKS);
export const CONTROL = every(CONTROLS);

const newer = new RegExp(`([${NEWER}]+)`, "u");

export type Form = "NFC" | "NFD" | "NFKC" | "NFKD";

/** Unicode's normalization forms, without the characters that the Rust tokenizers do not know yet. */
export function toForm(text: string, form: Form): string {
  if (!newer.test(text)) return text.normalize(form);
  return text
    .split(newer)
    .map((part, index) => (index % 2 === 1 ? part : part.normalize(form)))
    .join("");
}

/** Lower case of each character by itself: a sigma at the end of a word is like any other. */
export function lowerCase(text: string): string {
  return text.replaceAll("Σ", "σ").toLowerCase();
}

/** How many UTF-16 units of white space a text begins with. */
export function leadingSpace(text: string): number {
  return /^\p{White_Space}*/u.exec(text)![0].length;
}

/** Where the white space begins that a text ends with. */
export function trailingSpace(text: string): number {
  let end = text.length;
  while (end > 0 && leadingSpace(text.charAt(end - 1)) > 0) end--;
  return end;
}

const BYTES = bytesAsCharacters();
const encoder = new TextEncoder();

/** The bytes of a text in UTF-8, each written as a character that can be seen, as GPT-2 does. */
export function byteLevel(text: string): string {
  let result = "";
  for (const byte of encoder.encode(text)) result += BYTES[byte]!;
  return result;
}

/** What can be seen in Latin-1 stands for itself, the rest for characters from U+0100 on. */
function bytesAsCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_byte, byte) => {
    const visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(visible ? byte : next++);
  });
}
