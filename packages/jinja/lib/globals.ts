import { bind, integer, text } from "./arguments.js";
import { items } from "./attributes.js";
import { DICT, ENTRY, ITEM, ROUND, spend } from "./budget.js";
import { GENERATION } from "./parse.js";
import { callable } from "./expressions.js";
import { strftime } from "./strftime.js";
import { str } from "./text.js";
import { TemplateError } from "./error.js";
import {
  type Callable,
  Host,
  type Kwargs,
  Namespace,
  type Value,
  dict,
  isDict,
  iterate,
  orElse,
  typeName,
} from "./values.js";

/** Jinja's sandbox makes no longer ranges. */
const MAX_RANGE = 100_000;

function range(args: Value[], kwargs: Kwargs): Value {
  const [first, second, third] = bind("range()", ["start", "stop", "step"], args, kwargs);
  const start = second === undefined ? 0 : integer("range()", first);
  const stop = integer("range()", second ?? first);
  const step = third === undefined ? 1 : integer("range()", third);
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MAX_RANGE)
    throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${MAX_RANGE}.`);
  spend(ITEM * count);
  return Array.from({ length: count }, (_item, index) => start + index * step);
}

/** Entries of `dict(…)` and `namespace(…)`: a mapping or pairs, then keywords. */
function entries(what: string, args: Value[], kwargs: Kwargs): [string, Value][] {
  spend(DICT);
  const [source] = args;
  if (args.length > 1) throw new TemplateError(`${what} expected at most 1 argument, got ${args.length}`);
  const pairs: [string, Value][] = [];
  if (source !== undefined && isDict(source)) {
    for (const [key, value] of items(source)) pairs.push([key as string, value!]);
  } else if (source !== undefined) {
    for (const pair of iterate(source)) {
      spend(ENTRY);
      const [key, value] = iterate(pair);
      if (value === undefined) throw new TemplateError(`${what} needs pairs, got ${typeName(pair)}`);
      pairs.push([text(what, key), value]);
    }
  }
  return [...pairs, ...kwargs];
}

function cycler(items: Value[]): Host {
  if (items.length === 0) throw new TemplateError("at least one item has to be provided");
  spend(ROUND);
  const host = new Host(new Map());
  let position = 0;
  const move = (to: number) => {
    position = to % items.length;
    host.attributes.set("current", items[position]!);
  };
  host.attributes.set("next", () => {
    const item = items[position]!;
    move(position + 1);
    return item;
  });
  host.attributes.set("reset", () => {
    move(0);
    return null;
  });
  move(0);
  return host;
}

function joiner(args: Value[], kwargs: Kwargs): Callable {
  spend(DICT);
  const separator = bind("joiner()", ["sep"], args, kwargs)[0];
  let used = false;
  return () => {
    const result = used ? orElse(separator, ", ") : "";
    used = true;
    return result;
  };
}

/** The functions of Jinja and of transformers' environment. `now` is what `strftime_now` formats, in local time. */
export function globals(now: () => Date): [string, Value][] {
  return [
    ["range", range],
    ["dict", (args, kwargs) => dict(entries("dict()", args, kwargs))],
    ["namespace", (args, kwargs) => new Namespace(new Map(entries("namespace()", args, kwargs)))],
    ["cycler", (args) => cycler(args)],
    ["joiner", joiner],
    [
      "raise_exception",
      (args, kwargs) => {
        throw new TemplateError(str(orElse(bind("raise_exception()", ["message"], args, kwargs)[0], null)));
      },
    ],
    [
      "strftime_now",
      (args, kwargs) => {
        const format = text("strftime_now()", bind("strftime_now()", ["format"], args, kwargs)[0]);
        // A directive, of two characters, is written as 24 at most, and takes its time.
        spend(64 * format.length);
        return strftime(now(), format);
      },
    ],
    [GENERATION, (_args, kwargs) => callable(kwargs.get("caller") ?? null)([], new Map())],
  ];
}
