import { ITEM, STEP, spend } from "./budget.js";
import { Float, Host, type Kwargs, Tuple, type Value, isUndefined } from "./values.js";

/** The characters of Python's str.isspace: JavaScript's \s without U+FEFF, with U+0085 and the four separators. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE_SET = new RegExp(`[${SPACE}]`);
export const SPACES = new RegExp(`[${SPACE}]+`, "g");

export function isSpace(character: string): boolean {
  return SPACE_SET.test(character);
}

/** Python's str.strip, lstrip and rstrip; `characters` is a set, not a prefix. */
export function strip(text: string, sides: "both" | "left" | "right", characters?: string): string {
  spend(text.length + ITEM * (characters?.length ?? 0));
  const set = characters === undefined ? undefined : new Set(characters);
  const strips = (character: string) => (set === undefined ? isSpace(character) : set.has(character));
  let start = 0;
  let end = text.length;
  if (sides !== "right") {
    while (start < end) {
      const character = String.fromCodePoint(text.codePointAt(start)!);
      if (!strips(character)) break;
      start += character.length;
    }
  }
  if (sides !== "left") {
    while (end > start) {
      const pair = end - start > 1 && /[\udc00-\udfff]/.test(text[end - 1]!) ? 2 : 1;
      if (!strips(text.slice(end - pair, end))) break;
      end -= pair;
    }
  }
  return text.slice(start, end);
}

/** Python's str(): what `{{ value }}` prints. */
export function str(value: Value): string {
  return typeof value === "string" ? value : isUndefined(value) ? "" : repr(value);
}

/** Python's repr(): what a text looks like inside a printed list or dict. */
export function repr(value: Value): string {
  spend(STEP);
  if (typeof value === "string") return reprText(value);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return Number.isInteger(value) ? String(BigInt(value)) : reprFloat(value);
  if (value instanceof Float) return reprFloat(value.value);
  if (isUndefined(value)) return "Undefined";
  if (value instanceof Tuple) return `(${join(value.map(repr), ", ")}${value.length === 1 ? "," : ""})`;
  if (Array.isArray(value)) return `[${join(value.map(repr), ", ")}]`;
  if (typeof value === "function") return "<function>";
  if (value instanceof Host) return "<object>";
  const items = Object.entries(value).map(([key, item]) => `${reprText(key)}: ${repr(item)}`);
  return `{${join(items, ", ")}}`;
}

/** `texts.join(separator)`, within the budget. */
export function join(texts: readonly string[], separator: string): string {
  spend(texts.reduce((sum, text) => sum + text.length, separator.length * texts.length));
  return texts.join(separator);
}

/** `text.repeat(count)`, within the budget. */
export function repeat(text: string, count: number): string {
  spend(text.length * count);
  return text.repeat(count);
}

/** What a function of texts costs at least: reading them. */
export function spendTexts(value: Value, args: Value[], kwargs: Kwargs): void {
  for (const text of [value, ...args, ...kwargs.values()]) if (typeof text === "string") spend(text.length);
}

/** Spends what looking for a text in another costs at worst: a comparison of both at every place. */
export function spendSearch(text: string, wanted: string): void {
  const places = Math.max(0, text.length - wanted.length + 1);
  spend(text.length + (places * wanted.length) / 16);
}

/** How often a text that is not empty stands in another without overlap. */
export function occurrences(text: string, wanted: string): number {
  spendSearch(text, wanted);
  let count = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) count++;
  return count;
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

function reprText(text: string): string {
  spend(4 * text.length);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // Everything that Python calls not printable: other and separator characters, except the space itself.
  const escaped = text.replace(/[\\\p{C}\p{Z}]/gu, (character) => {
    if (character === " ") return character;
    const known = ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0)!;
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code <= 0xffff
      ? `\\u${code.toString(16).padStart(4, "0")}`
      : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  spend(escaped.length);
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}

/** The shortest digits that read back as the same float, with an exponent below 1e-4 and from 1e16 on. */
export function reprFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [digits, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const sign = exponent < 0 ? "-" : "+";
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) {
    const sign = value < 0 ? "-" : "";
    return `${sign}0.${"0".repeat(-exponent - 1)}${digits.replace(/[-.]/g, "")}`;
  }
  const plain = String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}

/** Python orders text by code point, JavaScript by UTF-16 unit: they differ where a surrogate meets U+E000 to U+FFFF. */
export function compareText(a: string, b: string): number {
  spend(a.length + b.length);
  const shorter = Math.min(a.length, b.length);
  let index = 0;
  while (index < shorter && a[index] === b[index]) index++;
  if (index === shorter) return a.length - b.length;
  const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
  const surrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdfff;
  return surrogate(left) === surrogate(right) ? left - right : surrogate(left) ? 1 : -1;
}
