import { bind, integer, optional, text } from "./arguments.js";
import { join, occurrences, repeat, repr, SPACES, spendSearch, str, strip } from "./text.js";
import { ITEM, spend } from "./budget.js";
import { TemplateError } from "./error.js";
import {
  type Kwargs,
  Tuple,
  type Value,
  characters,
  codePoints,
  iterate,
  tuple,
  typeName,
} from "./values.js";

type Method = (self: string, args: Value[], kwargs: Kwargs) => Value;

// eslint-disable-next-line no-control-regex -- Python breaks lines at these too
const LINE_BREAKS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

export function splitLines(self: string, keepEnds = false): string[] {
  spend(ITEM * self.length);
  const lines: string[] = [];
  let start = 0;
  for (const match of self.matchAll(LINE_BREAKS)) {
    const end = match.index + match[0].length;
    lines.push(self.slice(start, keepEnds ? end : match.index));
    start = end;
  }
  if (start < self.length) lines.push(self.slice(start));
  return lines;
}

/** Python's str.title: the first letter of every run of letters upper, the others lower. */
export function titleCase(self: string): string {
  return self.replace(/(\p{Cased})(\p{Cased}*)/gu, (_all, first: string, rest: string) =>
    capitalize(first + rest),
  );
}

export function capitalize(self: string): string {
  const first = Array.from(self.slice(0, 2))[0] ?? "";
  const upper = first.toUpperCase();
  // A character whose upper case is several ("ß") has only the first of them upper in title case.
  const head = codePoints(upper) > 1 ? upper[0] + upper.slice(1).toLowerCase() : upper;
  return head + self.slice(first.length).toLowerCase();
}

function splitWords(self: string, limit: number, fromRight: boolean): string[] {
  const text = strip(self, fromRight ? "right" : "left");
  spend(2 * ITEM * text.length);
  const gaps = [...text.matchAll(SPACES)];
  const words: string[] = [];
  let start = 0;
  for (const gap of fromRight ? gaps.slice(Math.max(0, gaps.length - limit)) : gaps.slice(0, limit)) {
    words.push(text.slice(start, gap.index));
    start = gap.index + gap[0].length;
  }
  // White space at the other end is a gap with nothing beyond it.
  return [...words, text.slice(start)].filter((word) => word !== "");
}

function split(self: string, separator: Value | undefined, limit: number, fromRight: boolean): Value {
  if (separator === undefined || separator === null) {
    if (limit >= 0) return splitWords(self, limit, fromRight);
    const stripped = strip(self, "both");
    spend(ITEM * stripped.length);
    return stripped === "" ? [] : stripped.split(new RegExp(SPACES.source));
  }
  const by = text("split()", separator);
  if (by === "") throw new TemplateError("empty separator");
  spend(2 * ITEM * occurrences(self, by));
  const parts = self.split(by);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - limit).join(by), ...parts.slice(parts.length - limit)]
    : [...parts.slice(0, limit), parts.slice(limit).join(by)];
}

/** `start` and `end` of find, count, startswith and endswith, which count characters. */
function window(
  self: string,
  start: Value | undefined,
  end: Value | undefined,
  what: string,
): [string, number] {
  if ((start ?? null) === null && (end ?? null) === null) return [self, 0];
  const all = characters(self);
  const place = (value: Value | undefined, fallback: number) => {
    const index = optional(value, fallback, integer, what);
    return index < 0 ? Math.max(0, all.length + index) : Math.min(index, all.length);
  };
  const from = place(start, 0);
  return [all.slice(from, place(end, all.length)).join(""), from];
}

function find(fromRight: boolean, required: boolean, name: string): Method {
  return (self, args, kwargs) => {
    const [needle, start, end] = bind(`${name}()`, ["sub", "start", "end"], args, kwargs);
    const [part, offset] = window(self, start, end, `${name}()`);
    const wanted = text(`${name}()`, needle);
    spendSearch(part, wanted);
    const unit = fromRight ? part.lastIndexOf(wanted) : part.indexOf(wanted);
    if (unit >= 0) return offset + codePoints(part.slice(0, unit));
    if (required) throw new TemplateError("substring not found");
    return -1;
  };
}

function affix(name: "startswith" | "endswith"): Method {
  return (self, args, kwargs) => {
    const [affixes, start, end] = bind(`${name}()`, ["prefix", "start", "end"], args, kwargs);
    const [part] = window(self, start, end, `${name}()`);
    if (!(affixes instanceof Tuple) && typeof affixes !== "string") {
      throw new TemplateError(
        `${name} first arg must be str or a tuple of str, not ${affixes === undefined ? "nothing" : typeName(affixes)}`,
      );
    }
    return (typeof affixes === "string" ? [affixes] : iterate(affixes)).some((item) => {
      const wanted = text(`${name}()`, item);
      spend(wanted.length);
      return name === "startswith" ? part.startsWith(wanted) : part.endsWith(wanted);
    });
  };
}

function stripping(name: string, sides: "both" | "left" | "right"): Method {
  return (self, args, kwargs) => {
    const [characters] = bind(`${name}()`, ["chars"], args, kwargs);
    return strip(self, sides, optional(characters, undefined, text, `${name}()`));
  };
}

function splitting(name: string, fromRight: boolean): Method {
  return (self, args, kwargs) => {
    const [separator, limit] = bind(`${name}()`, ["sep", "maxsplit"], args, kwargs);
    return split(self, separator, optional(limit, -1, integer, `${name}()`), fromRight);
  };
}

function partition(name: string, fromRight: boolean): Method {
  return (self, args, kwargs) => {
    const by = text(`${name}()`, bind(`${name}()`, ["sep"], args, kwargs)[0]);
    if (by === "") throw new TemplateError("empty separator");
    spendSearch(self, by);
    const at = fromRight ? self.lastIndexOf(by) : self.indexOf(by);
    if (at < 0) return tuple(fromRight ? ["", "", self] : [self, "", ""]);
    return tuple([self.slice(0, at), by, self.slice(at + by.length)]);
  };
}

function padding(name: string, place: (text: string, missing: number, fill: string) => string): Method {
  return (self, args, kwargs) => {
    const [width, fill] = bind(`${name}()`, ["width", "fillchar"], args, kwargs);
    const missing = integer(`${name}()`, width) - codePoints(self);
    return missing <= 0 ? self : place(self, missing, optional(fill, " ", text, `${name}()`));
  };
}

/** A method without arguments. */
function plain(name: string, method: (self: string) => Value): Method {
  return (self, args, kwargs) => {
    bind(`${name}()`, [], args, kwargs);
    return method(self);
  };
}

/** True when the text is not empty and every character matches. */
function every(name: string, pattern: RegExp): [string, Method] {
  return [name, plain(name, (self) => pattern.test(self))];
}

export function replace(self: string, from: string, to: string, count: number): string {
  if (from === "") return spread(self, to, count < 0 ? Infinity : count);
  const found = occurrences(self, from);
  spend(2 * ITEM * found + to.length * (count < 0 ? found : Math.min(count, found)));
  if (count < 0) return self.replaceAll(from, () => to);
  const parts = self.split(from);
  const head = parts.slice(0, count + 1).join(to);
  const tail = parts.slice(count + 1);
  return tail.length === 0 ? head : [head, ...tail].join(from);
}

/** Replacing the empty text puts the new one before every character and at the end. */
function spread(self: string, filler: string, count: number): string {
  const pieces = [...characters(self), ""];
  spend(filler.length * Math.min(count, pieces.length));
  return pieces.map((piece, index) => (index < count ? filler : "") + piece).join("");
}

function format(self: string, args: Value[], kwargs: Kwargs): string {
  let next = 0;
  return self.replace(/\{\{|\}\}|\{(\w*)(?:!([rs]))?\}|[{}]/g, (all, field?: string, conversion?: string) => {
    if (all === "{{" || all === "}}") return all[0]!;
    if (field === undefined)
      throw new TemplateError("format strings with attributes or format specs are not supported");
    const value = /^\d*$/.test(field) ? args[field === "" ? next++ : Number(field)] : kwargs.get(field);
    if (value === undefined) throw new TemplateError(`format() has no value for {${field}}`);
    const written = conversion === "r" ? repr(value) : str(value);
    spend(written.length);
    return written;
  });
}

export const STRING_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["capitalize", plain("capitalize", capitalize)],
  ["casefold", plain("casefold", (self) => self.toLowerCase().replaceAll("ß", "ss"))],
  [
    "center",
    padding("center", (self, missing, fill) => {
      // CPython's rule for which side gets the odd one.
      const width = codePoints(self) + missing;
      const left = Math.floor(missing / 2) + (missing & width & 1);
      return repeat(fill, left) + self + repeat(fill, missing - left);
    }),
  ],
  [
    "count",
    (self, args, kwargs) => {
      const [needle, start, end] = bind("count()", ["sub", "start", "end"], args, kwargs);
      const [part] = window(self, start, end, "count()");
      const wanted = text("count()", needle);
      return wanted === "" ? codePoints(part) + 1 : occurrences(part, wanted);
    },
  ],
  ["endswith", affix("endswith")],
  ["find", find(false, false, "find")],
  ["format", format],
  ["index", find(false, true, "index")],
  every("isalnum", /^[\p{L}\p{N}]+$/u),
  every("isalpha", /^\p{L}+$/u),
  every("isascii", /^[\0-\x7f]*$/),
  every("isdecimal", /^\p{Nd}+$/u),
  every("isdigit", /^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089]+$/u),
  every("isnumeric", /^\p{N}+$/u),
  ["islower", plain("islower", (self) => /\p{Cased}/u.test(self) && self === self.toLowerCase())],
  ["isspace", plain("isspace", (self) => self !== "" && strip(self, "left") === "")],
  ["isupper", plain("isupper", (self) => /\p{Cased}/u.test(self) && self === self.toUpperCase())],
  [
    "join",
    (self, args, kwargs) => {
      const items = iterate(bind("join()", ["iterable"], args, kwargs)[0] ?? null);
      return join(
        Array.from(items, (item) => text("join()", item)),
        self,
      );
    },
  ],
  ["ljust", padding("ljust", (self, missing, fill) => self + repeat(fill, missing))],
  ["lower", plain("lower", (self) => self.toLowerCase())],
  ["lstrip", stripping("lstrip", "left")],
  ["partition", partition("partition", false)],
  [
    "removeprefix",
    (self, args, kwargs) => {
      const prefix = text("removeprefix()", bind("removeprefix()", ["prefix"], args, kwargs)[0]);
      return self.startsWith(prefix) ? self.slice(prefix.length) : self;
    },
  ],
  [
    "removesuffix",
    (self, args, kwargs) => {
      const suffix = text("removesuffix()", bind("removesuffix()", ["suffix"], args, kwargs)[0]);
      return suffix !== "" && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self;
    },
  ],
  [
    "replace",
    (self, args, kwargs) => {
      const [from, to, count] = bind("replace()", ["old", "new", "count"], args, kwargs);
      return replace(
        self,
        text("replace()", from),
        text("replace()", to),
        optional(count, -1, integer, "replace()"),
      );
    },
  ],
  ["rfind", find(true, false, "rfind")],
  ["rindex", find(true, true, "rindex")],
  ["rjust", padding("rjust", (self, missing, fill) => repeat(fill, missing) + self)],
  ["rpartition", partition("rpartition", true)],
  ["rsplit", splitting("rsplit", true)],
  ["rstrip", stripping("rstrip", "right")],
  ["split", splitting("split", false)],
  [
    "splitlines",
    (self, args, kwargs) => {
      const [keepEnds] = bind("splitlines()", ["keepends"], args, kwargs);
      return splitLines(self, keepEnds === true);
    },
  ],
  ["startswith", affix("startswith")],
  ["strip", stripping("strip", "both")],
  [
    "swapcase",
    plain("swapcase", (self) =>
      characters(self)
        .map((character) =>
          character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase(),
        )
        .join(""),
    ),
  ],
  ["title", plain("title", titleCase)],
  ["upper", plain("upper", (self) => self.toUpperCase())],
  [
    "zfill",
    (self, args, kwargs) => {
      const width = integer("zfill()", bind("zfill()", ["width"], args, kwargs)[0]);
      const sign = /^[-+]/.exec(self)?.[0] ?? "";
      return sign + repeat("0", Math.max(0, width - codePoints(self))) + self.slice(sign.length);
    },
  ],
]);
