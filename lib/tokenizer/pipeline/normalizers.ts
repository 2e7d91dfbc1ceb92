import * as v from "valibot";
import { bertNormalizer } from "./bert-normalizer.js";
import { byteLevel, leadingSpace, lowerCase, MARK, toForm, trailingSpace, type Form } from "./characters.js";
import { build, options, type Builders } from "./component.js";
import { compile, PatternSchema } from "./oniguruma.js";
import { characterLength, slice, type Piece } from "./piece.js";
import { precompiled } from "./precompiled.js";
import { stretches } from "./split.js";

export type Normalizer = (piece: Piece) => Piece;

const BUILDERS: Builders<Normalizer> = {
  BertNormalizer: (config, place) => inPlace(bertNormalizer(config, place)),
  ByteLevel: () => inPlace(byteLevel),
  Lowercase: () => inPlace(lowerCase),
  NFC: () => form("NFC"),
  NFD: () => form("NFD"),
  NFKC: () => form("NFKC"),
  NFKD: () => form("NFKD"),
  Nmt: () => inPlace(nmt),
  Precompiled: precompiledNormalizer,
  Prepend: prepend,
  Replace: replace,
  Sequence: sequence,
  Strip: strip,
  StripAccents: () => inPlace((text) => text.replace(MARK, "")),
};

/** null is no normalizer. */
export function buildNormalizer(config: unknown, place = "normalizer"): Normalizer {
  return config === null ? (piece) => piece : build(BUILDERS, config, place);
}

/** What changes characters where they stand; what comes of the head of a text is the head of what comes of the text. */
function inPlace(change: (text: string) => string): Normalizer {
  return ({ text, head }) => ({
    text: change(text),
    head: head === 0 ? 0 : change(text.slice(0, head)).length,
  });
}

/** Where the first characters become nothing, the next one counts as the first. */
function precompiledNormalizer(config: unknown, place: string): Normalizer {
  const normalize = inPlace(precompiled(config, place));
  return (piece) => {
    const { text, head } = normalize(piece);
    return { text, head: piece.head > 0 && head === 0 && text !== "" ? characterLength(text, 0) : head };
  };
}

function form(name: Form): Normalizer {
  return inPlace((text) => toForm(text, name));
}

/** The cleaning of SentencePiece's nmt rules. */
function nmt(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- they are what is removed
      .replace(/[\u0001-\u0008\u000B\u000E-\u001F\u007F\u008F\u009F]/g, "")
      .replace(/[\t\n\f\r\u1680\u200B-\u200F\u2028\u2029\u2581\uFEFF\uFFFD]/g, " ")
  );
}

function sequence(config: unknown, place: string): Normalizer {
  const { normalizers } = options(v.looseObject({ normalizers: v.array(v.unknown()) }), config, place);
  const all = normalizers.map((one, index) => build(BUILDERS, one, `${place}.normalizers.${index}`));
  return (piece) =>
    all.reduce((result, normalize) => {
      const next = normalize(result);
      requireLength(next.text.length);
      return next;
    }, piece);
}

/** What a text may become: a rule can put a thousand characters in the place of one, and others in the place of each. */
const LONGEST = 2 ** 23;

export function requireLength(length: number): void {
  if (length > LONGEST) throw new Error(`its normalizer makes more than ${LONGEST} characters of it`);
}

function prepend(config: unknown, place: string): Normalizer {
  const { prepend } = options(v.looseObject({ prepend: v.pipe(v.string(), v.nonEmpty()) }), config, place);
  return (piece) => prepended(piece, prepend);
}

/** A text with something before its first character; nothing stays nothing. */
export function prepended({ text, head }: Piece, added: string): Piece {
  if (text === "") return { text, head };
  return { text: added + text, head: head === 0 ? 0 : head + added.length };
}

function strip(config: unknown, place: string): Normalizer {
  const { strip_left, strip_right } = options(
    v.looseObject({ strip_left: v.boolean(), strip_right: v.boolean() }),
    config,
    place,
  );
  return (piece) => {
    const end = strip_right ? trailingSpace(piece.text) : piece.text.length;
    const start = strip_left ? Math.min(leadingSpace(piece.text), end) : 0;
    return slice(piece, start, end);
  };
}

function replace(config: unknown, place: string): Normalizer {
  const { pattern, content } = options(
    v.looseObject({ pattern: PatternSchema, content: v.string() }),
    config,
    place,
  );
  const compiled = compile(pattern, `${place}.pattern`);
  return ({ text, head }) => {
    let result = "";
    let newHead = 0;
    for (const { start, end, match } of stretches(text, compiled)) {
      result += match ? content : text.slice(start, end);
      // What is put in belongs to the last character that it replaces.
      if (head > 0)
        newHead += match ? (end <= head ? content.length : 0) : Math.max(0, Math.min(end, head) - start);
    }
    return { text: result, head: newHead };
  };
}
