import { isSpace, strip } from "./text.js";
import { TemplateError } from "./error.js";

/** A piece of a template: text that is printed, a `{{ … }}` or a `{% … %}`, whose content is a list of lexemes. */
export type Piece = { kind: "text"; text: string } | { kind: "print" | "statement"; lexemes: Lexeme[] };

export interface Lexeme {
  type: "name" | "string" | "number" | "operator";
  /** As it is written, and for a string what it means. */
  value: string;
}

/**
 * Splits a template into text and tags by the rules of Python's Jinja lexer with trim_blocks and lstrip_blocks:
 * one newline at the end goes, `-` strips white space, `+` keeps it, `raw` blocks are text, comments vanish.
 */
export function scan(source: string): Piece[] {
  const template = source.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  const pieces: Piece[] = [];
  const addText = (text: string) => {
    if (text !== "") pieces.push({ kind: "text", text });
  };
  let position = 0;
  let lineStarts = true;

  /** The text before a tag, without what the tag strips from its end. */
  const before = (text: string, sign: string, strips: boolean): string => {
    if (sign === "-") return strip(text, "right");
    if (sign === "+" || !strips) return text;
    const line = text.lastIndexOf("\n") + 1;
    return (line > 0 || lineStarts) && strip(text.slice(line), "left") === "" ? text.slice(0, line) : text;
  };
  /** Moves behind a tag's end and what it strips: all white space after `-`, one newline after a block. */
  const skipAfter = (sign: string, block: boolean) => {
    if (sign === "-") while (position < template.length && isSpace(template[position]!)) position++;
    else if (sign === "" && block && template[position] === "\n") position++;
    lineStarts = template[position - 1] === "\n";
  };

  while (position < template.length) {
    const open = /\{[{%#]/g;
    open.lastIndex = position;
    const start = open.exec(template)?.index;
    if (start === undefined) {
      addText(template.slice(position));
      break;
    }
    const text = template.slice(position, start);
    const kind = template[start + 1]!;
    const sign = /[-+]/.test(template[start + 2] ?? "") ? template[start + 2]! : "";
    addText(before(text, sign, kind !== "{"));
    position = start + 2 + sign.length;

    const raw = kind === "%" ? /^\s*raw\s*(-?)%\}/.exec(template.slice(position, position + 64)) : null;
    if (raw !== null) {
      position += raw[0].length;
      if (raw[1] === "-") skipAfter("-", false);
      else lineStarts = false;
      const end = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;
      end.lastIndex = position;
      const match = end.exec(template);
      if (match === null) throw new TemplateError("Missing end of raw directive");
      addText(before(template.slice(position, match.index), match[1]!, true));
      position = match.index + match[0].length;
      skipAfter(match[2]!, true);
    } else if (kind === "#") {
      const end = template.indexOf("#}", position);
      if (end < 0) throw new TemplateError("Missing end of comment tag");
      const last = end > position ? template[end - 1]! : "";
      position = end + 2;
      skipAfter(last === "-" || last === "+" ? last : "", true);
    } else {
      const tag = scanTag(template, position, kind === "{" ? "}}" : "%}");
      pieces.push({ kind: kind === "{" ? "print" : "statement", lexemes: tag.lexemes });
      position = tag.end;
      skipAfter(tag.sign, kind === "%");
    }
  }
  return pieces;
}

const LEXEME =
  /(?<space>\s+)|(?<number>0[bB](?:_?[0-1])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|(?<!\.)\d+(?:_\d+)*(?:(?:\.\d+(?:_\d+)*)?[eE][+-]?\d+(?:_\d+)*|\.\d+(?:_\d+)*)|\d+(?:_\d+)*)|(?<name>[\p{L}\p{N}_]+)|(?<string>'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*")|(?<operator>\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;])/uy;

const CLOSERS: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

function scanTag(
  template: string,
  start: number,
  close: "}}" | "%}",
): { lexemes: Lexeme[]; sign: string; end: number } {
  const lexemes: Lexeme[] = [];
  const expected: string[] = [];
  let position = start;
  while (position < template.length) {
    if (expected.length === 0) {
      // A "+" before the end keeps a block's newline; a print has no such sign.
      const sign =
        /[-+]/.test(template[position]!) && template.startsWith(close, position + 1)
          ? template[position]!
          : "";
      if (
        (sign === "" && template.startsWith(close, position)) ||
        sign === "-" ||
        (sign === "+" && close === "%}")
      ) {
        return { lexemes, sign, end: position + sign.length + close.length };
      }
    }
    LEXEME.lastIndex = position;
    const groups = LEXEME.exec(template)?.groups;
    if (groups === undefined)
      throw new TemplateError(`unexpected char '${template[position]}' at ${position}`);
    position = LEXEME.lastIndex;
    if (groups["name"] !== undefined) lexemes.push({ type: "name", value: groups["name"] });
    else if (groups["number"] !== undefined)
      lexemes.push({ type: "number", value: readNumber(groups["number"]) });
    else if (groups["string"] !== undefined)
      lexemes.push({ type: "string", value: readString(groups["string"]) });
    else if (groups["operator"] !== undefined) {
      const operator = groups["operator"];
      const closer = CLOSERS[operator];
      if (closer !== undefined) expected.push(closer);
      else if (/^[)\]}]$/.test(operator) && expected.pop() !== operator) {
        throw new TemplateError(`unexpected '${operator}'`);
      }
      lexemes.push({ type: "operator", value: operator });
    }
  }
  throw new TemplateError(`unexpected end of template, expected '${close}'`);
}

function readNumber(source: string): string {
  const digits = source.replaceAll("_", "");
  const value = Number(digits);
  if (!/[.eE]/.test(digits) || /^0[xX]/.test(digits)) return BigInt(digits).toString();
  const plain = value.toFixed(20).replace(/0+$/, "0");
  return Number(plain) === value ? plain : digits;
}

const CONTROLS: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};

/** Python's escapes; a backslash before any other character stands for itself. */
function readString(source: string): string {
  return source
    .slice(1, -1)
    .replace(
      /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([^]))/g,
      (all, x?: string, u?: string, U?: string, octal?: string, other?: string) => {
        const hex = x ?? u ?? U;
        if (hex !== undefined) {
          if (parseInt(hex, 16) > 0x10ffff) throw new TemplateError(`${all} is no character`);
          return String.fromCodePoint(parseInt(hex, 16));
        }
        if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
        return CONTROLS[other!] ?? (/["'\\]/.test(other!) ? other! : all);
      },
    );
}
