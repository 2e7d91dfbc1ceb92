import { bind, integer, optional, text } from "./arguments.js";
import { dumps, type JsonOptions } from "./json.js";
import { printf } from "./printf.js";
import { capitalize, replace, splitLines } from "./string-methods.js";
import { join, repeat, str, strip } from "./text.js";
import { ITEM, spend } from "./budget.js";
import { TemplateError } from "./error.js";
import {
  type Kwargs,
  type Value,
  characters,
  codePoints,
  dict,
  lengthOf,
  orElse,
  tuple,
  truthy,
} from "./values.js";

export type Filter = (value: Value, args: Value[], kwargs: Kwargs) => Value;

function tojson(value: Value, args: Value[], kwargs: Kwargs): string {
  const names = ["ensure_ascii", "indent", "separators", "sort_keys"] as const;
  const [ensureAscii, indent, separators, sortKeys] = bind("tojson", names, args, kwargs);
  const options: JsonOptions = {
    ensureAscii: truthy(ensureAscii ?? false),
    indent: typeof indent === "string" ? indent : optional(indent, null, spaces, "tojson"),
    separators: null,
    sortKeys: truthy(sortKeys ?? false),
  };
  if (Array.isArray(separators) && separators.length === 2) {
    options.separators = [text("tojson", separators[0]), text("tojson", separators[1])];
  } else if (separators !== undefined && separators !== null) {
    throw new TemplateError("tojson: separators must be a pair of texts");
  }
  return dumps(value, options);
}

function spaces(what: string, width: Value): string {
  return repeat(" ", Math.max(0, integer(what, width)));
}

function indent(value: Value, args: Value[], kwargs: Kwargs): string {
  const [width, first, blank] = bind("indent", ["width", "first", "blank"], args, kwargs);
  const indention = typeof width === "string" ? width : spaces("indent", width ?? 4);
  const [head, ...lines] = splitLines(`${text("indent", value)}\n`);
  const always = truthy(blank ?? false);
  const body = lines.flatMap((line) => ["\n", line !== "" || always ? indention : "", line]);
  return join([truthy(first ?? false) ? indention : "", head!, ...body], "");
}

function escape(value: Value): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&#39;",
    '"': "&#34;",
  };
  const source = str(value);
  // The longest entity is five characters.
  spend(5 * source.length);
  return source.replace(/[&<>'"]/g, (character) => entities[character]!);
}

function truncate(value: Value, args: Value[], kwargs: Kwargs): string {
  const [length, killWords, end, leeway] = bind(
    "truncate",
    ["length", "killwords", "end", "leeway"],
    args,
    kwargs,
  );
  const limit = optional(length, 255, integer, "truncate");
  const ending = optional(end, "...", text, "truncate");
  const all = characters(text("truncate", value));
  if (all.length <= limit + optional(leeway, 5, integer, "truncate")) return str(value);
  const cut = all.slice(0, limit - codePoints(ending)).join("");
  const space = cut.lastIndexOf(" ");
  return (truthy(killWords ?? false) || space < 0 ? cut : cut.slice(0, space)) + ending;
}

/** Jinja's own rule, which is not Python's str.title. */
function title(value: Value): string {
  const source = str(value);
  spend(2 * ITEM * source.length);
  return source
    .split(/([-\s({[<]+)/)
    .map((word) => {
      const first = Array.from(word.slice(0, 2))[0] ?? "";
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    })
    .join("");
}

export const TEXT_FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ["tojson", tojson],
  ["string", (value) => str(value)],
  ["safe", (value) => str(value)],
  ["escape", escape],
  ["e", escape],
  ["forceescape", escape],
  ["lower", (value) => str(value).toLowerCase()],
  ["upper", (value) => str(value).toUpperCase()],
  ["title", title],
  ["capitalize", (value) => capitalize(str(value))],
  [
    "trim",
    (value, args, kwargs) => {
      const [characters] = bind("trim", ["chars"], args, kwargs);
      return strip(str(value), "both", optional(characters, undefined, text, "trim"));
    },
  ],
  [
    "replace",
    (value, args, kwargs) => {
      const [from, to, count] = bind("replace", ["old", "new", "count"], args, kwargs);
      return replace(
        str(value),
        str(orElse(from, "")),
        str(orElse(to, "")),
        optional(count, -1, integer, "replace"),
      );
    },
  ],
  ["indent", indent],
  ["truncate", truncate],
  [
    "center",
    (value, args, kwargs) => {
      const missing =
        optional(bind("center", ["width"], args, kwargs)[0], 80, integer, "center") - lengthOf(str(value));
      if (missing <= 0) return str(value);
      const left = Math.floor(missing / 2) + (missing & (missing + codePoints(str(value))) & 1);
      return repeat(" ", left) + str(value) + repeat(" ", missing - left);
    },
  ],
  [
    "wordcount",
    (value) => {
      const source = str(value);
      spend(ITEM * source.length);
      return source.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
    },
  ],
  [
    "format",
    (value, args, kwargs) => {
      if (args.length > 0 && kwargs.size > 0) {
        throw new TemplateError("can't handle positional and keyword arguments at the same time");
      }
      return printf(str(value), kwargs.size > 0 ? dict(kwargs) : tuple(args));
    },
  ],
  [
    "urlencode",
    (value) => {
      const source = str(value);
      if (/\p{Surrogate}/u.test(source)) throw new TemplateError("urlencode: surrogates not allowed");
      // A character has at most three bytes to a UTF-16 unit, each of which is written in three characters.
      spend(9 * source.length);
      return encodeURIComponent(source)
        .replaceAll("%2F", "/")
        .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
    },
  ],
]);
