import { bind, integer, optional, text } from "./arguments.js";
import { getItem, items, method, missing } from "./attributes.js";
import { add, compare, contains, equal } from "./operators.js";
import { join, str } from "./text.js";
import { passes } from "./tests.js";
import type { Filter } from "./text-filters.js";
import { ITEM, spend } from "./budget.js";
import { TemplateError } from "./error.js";
import {
  exact,
  type Kwargs,
  Undefined,
  type Value,
  characters,
  fail,
  float,
  isDict,
  isFloat,
  isUndefined,
  iterate,
  lengthOf,
  numberOf,
  orElse,
  truthy,
  tuple,
  typeName,
} from "./values.js";

/** Applies a filter that is named by a value, for `map("upper")`. */
export type ApplyFilter = (name: string, value: Value, args: Value[], kwargs: Kwargs) => Value;

/** Reads "a.b.0" or 0 of an item, as the `attribute` of sort, map, join and others is written. */
function reader(attribute: Value | undefined, fallback?: Value): (item: Value) => Value {
  if (attribute === undefined || attribute === null) return (item) => item;
  const parts = typeof attribute === "string" ? attribute.split(".") : [attribute];
  const keys = parts.map((part) => (typeof part === "string" && /^\d+$/.test(part) ? Number(part) : part));
  return (item) =>
    keys.reduce<Value>((value, key) => {
      const found = getItem(value, key);
      return isUndefined(found) && fallback !== undefined && fallback !== null ? fallback : found;
    }, item);
}

function sortKey(attribute: Value | undefined, caseSensitive: Value | undefined): (item: Value) => Value {
  const read = reader(attribute);
  if (truthy(caseSensitive ?? false)) return read;
  return (item) => {
    const value = read(item);
    if (typeof value !== "string") return value;
    spend(value.length);
    return value.toLowerCase();
  };
}

function sorted(values: Value[], key: (item: Value) => Value, reverse: Value | undefined): Value[] {
  const sign = truthy(reverse ?? false) ? -1 : 1;
  spend(2 * ITEM * values.length);
  return values
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => sign * compare(a.key, b.key))
    .map(({ item }) => item);
}

function extreme(name: string, sign: 1 | -1): Filter {
  return (value, args, kwargs) => {
    const [caseSensitive, attribute] = bind(name, ["case_sensitive", "attribute"], args, kwargs);
    const key = sortKey(attribute, caseSensitive);
    const values = iterate(value);
    if (values.length === 0) return new Undefined("No aggregated item, sequence was empty.");
    return values.reduce((best, item) => (sign * compare(key(item), key(best)) < 0 ? item : best));
  };
}

/** map, select and their like take whatever is false, None included, for empty. */
function iterateIfAny(value: Value): Value[] {
  return truthy(value) ? iterate(value) : [];
}

function selecting(byAttribute: boolean, keep: boolean): Filter {
  return (value, args) => {
    const [read, test, rest] = byAttribute
      ? [reader(args[0]), args[1], args.slice(2)]
      : [reader(undefined), args[0], args.slice(1)];
    if (byAttribute && args.length === 0) throw new TemplateError("Missing parameter for attribute name");
    return iterateIfAny(value).filter((item) => passes(read(item), test, rest) === keep);
  };
}

function toNumber(value: Value, fallback: Value, parse: (text: string) => number | undefined): Value {
  if (isUndefined(value)) fail(value);
  const number =
    typeof value === "string" ? parse(value.trim().replace(/(?<=\d)_(?=\d)/g, "")) : numberOf(value);
  return number === undefined || Number.isNaN(number) ? fallback : number;
}

const parseFloatText = (source: string) =>
  /^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(source) ? Number(source) : undefined;

function round(value: Value, args: Value[], kwargs: Kwargs): Value {
  const [precision, method] = bind("round", ["precision", "method"], args, kwargs);
  const number = numberOf(value);
  if (number === undefined)
    throw new TemplateError(`type ${typeName(value)} doesn't define __round__ method`);
  const factor = 10 ** optional(precision, 0, integer, "round");
  const scaled = number * factor;
  const rule = method === undefined ? "common" : text("round", method);
  switch (rule) {
    case "common":
      // Half to even, as Python rounds; an int stays an int.
      if (!isFloat(value)) return number;
      return float((Math.abs(scaled % 1) === 0.5 ? 2 * Math.round(scaled / 2) : Math.round(scaled)) / factor);
    case "ceil":
      return float(Math.ceil(scaled) / factor);
    case "floor":
      return float(Math.floor(scaled) / factor);
    default:
      throw new TemplateError("method must be common, ceil or floor");
  }
}

function defaultFilter(value: Value, args: Value[], kwargs: Kwargs): Value {
  const [fallback, boolean] = bind("default", ["default_value", "boolean"], args, kwargs);
  return isUndefined(value) || (truthy(boolean ?? false) && !truthy(value)) ? orElse(fallback, "") : value;
}

function mapping(value: Value): Value[] {
  if (isUndefined(value)) return [];
  if (!isDict(value)) throw new TemplateError("Can only get item pairs from a mapping.");
  return items(value);
}

export function sequenceFilters(apply: ApplyFilter): ReadonlyMap<string, Filter> {
  return new Map<string, Filter>([
    ["default", defaultFilter],
    ["d", defaultFilter],
    ["length", (value) => lengthOf(value)],
    ["count", (value) => lengthOf(value)],
    ["list", (value) => [...iterate(value)]],
    ["items", (value) => mapping(value)],
    ["first", (value) => orElse(iterate(value)[0], new Undefined("No first item, sequence was empty."))],
    ["last", (value) => orElse(iterate(value).at(-1), new Undefined("No last item, sequence was empty."))],
    [
      "reverse",
      (value) =>
        typeof value === "string" ? characters(value).reverse().join("") : [...iterate(value)].reverse(),
    ],
    [
      "join",
      (value, args, kwargs) => {
        const [separator, attribute] = bind("join", ["d", "attribute"], args, kwargs);
        const read = reader(attribute);
        return join(
          Array.from(iterate(value), (item) => str(read(item))),
          str(orElse(separator, "")),
        );
      },
    ],
    [
      "sort",
      (value, args, kwargs) => {
        const [reverse, caseSensitive, attribute] = bind(
          "sort",
          ["reverse", "case_sensitive", "attribute"],
          args,
          kwargs,
        );
        return sorted([...iterate(value)], sortKey(attribute, caseSensitive), reverse);
      },
    ],
    [
      "dictsort",
      (value, args, kwargs) => {
        const [caseSensitive, by, reverse] = bind(
          "dictsort",
          ["case_sensitive", "by", "reverse"],
          args,
          kwargs,
        );
        if (isUndefined(value)) fail(value);
        return sorted(mapping(value), sortKey(by === "value" ? 1 : 0, caseSensitive), reverse);
      },
    ],
    [
      "unique",
      (value, args, kwargs) => {
        const [caseSensitive, attribute] = bind("unique", ["case_sensitive", "attribute"], args, kwargs);
        const key = sortKey(attribute, caseSensitive);
        const seen: Value[] = [];
        return iterate(value).filter((item) => !contains(seen, key(item)) && seen.push(key(item)) > 0);
      },
    ],
    [
      "groupby",
      (value, args, kwargs) => {
        const names = ["attribute", "default", "case_sensitive"] as const;
        const [attribute, fallback, caseSensitive] = bind("groupby", names, args, kwargs);
        const read = reader(attribute, fallback);
        const fold = sortKey(undefined, caseSensitive);
        const key = (item: Value) => fold(read(item));
        const groups: { key: Value; members: Value[] }[] = [];
        for (const item of sorted([...iterate(value)], key, false)) {
          const last = groups.at(-1);
          if (last !== undefined && equal(last.key, key(item))) last.members.push(item);
          else groups.push({ key: key(item), members: [item] });
        }
        return groups.map(({ members }) => tuple([read(members[0]!), members]));
      },
    ],
    ["select", selecting(false, true)],
    ["reject", selecting(false, false)],
    ["selectattr", selecting(true, true)],
    ["rejectattr", selecting(true, false)],
    [
      "map",
      (value, args, kwargs) => {
        const [name, ...rest] = args;
        if (name !== undefined) {
          return iterateIfAny(value).map((item) => apply(text("map", name), item, rest, kwargs));
        }
        const [attribute, fallback] = bind("map", ["attribute", "default"], [], kwargs);
        if (attribute === undefined) throw new TemplateError("map requires a filter argument");
        return iterateIfAny(value).map(reader(attribute, fallback));
      },
    ],
    ["min", extreme("min", 1)],
    ["max", extreme("max", -1)],
    [
      "sum",
      (value, args, kwargs) => {
        const [attribute, start] = bind("sum", ["attribute", "start"], args, kwargs);
        return iterate(value).map(reader(attribute)).reduce(add, orElse(start, 0));
      },
    ],
    [
      "batch",
      (value, args, kwargs) => {
        const [size, fill] = bind("batch", ["linecount", "fill_with"], args, kwargs);
        const count = integer("batch", size);
        const batches: Value[][] = [];
        for (const item of iterate(value)) {
          if (batches.at(-1) === undefined || batches.at(-1)!.length === count) batches.push([]);
          batches.at(-1)!.push(item);
        }
        const last = batches.at(-1);
        if (last !== undefined && fill !== undefined && fill !== null) {
          spend(ITEM * count);
          while (last.length < count) last.push(fill);
        }
        return batches;
      },
    ],
    [
      "abs",
      (value) => {
        const number = numberOf(value);
        if (number === undefined) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
        return isFloat(value) ? float(Math.abs(number)) : Math.abs(number);
      },
    ],
    ["round", round],
    [
      "int",
      (value, args, kwargs) => {
        const [fallback] = bind("int", ["default", "base"], args, kwargs);
        const number = toNumber(value, orElse(fallback, 0), parseFloatText);
        return typeof number === "number" ? exact(Math.trunc(number)) : number;
      },
    ],
    [
      "float",
      (value, args, kwargs) => {
        const [fallback] = bind("float", ["default"], args, kwargs);
        const number = toNumber(value, orElse(fallback, float(0)), parseFloatText);
        return typeof number === "number" ? float(number) : number;
      },
    ],
    [
      "attr",
      (value, args, kwargs) => {
        const name = text("attr", bind("attr", ["name"], args, kwargs)[0]);
        return orElse(method(value, name), missing(value, name));
      },
    ],
  ]);
}
