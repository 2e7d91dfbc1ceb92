import { bind, integer, optional } from "./arguments.js";
import { DICT, ENTRY, ITEM, STEP, spend } from "./budget.js";
import { equal } from "./operators.js";
import { repr, spendTexts } from "./text.js";
import { STRING_METHODS } from "./string-methods.js";
import { TemplateError } from "./error.js";
import {
  type Callable,
  type Dict,
  Host,
  Tuple,
  Undefined,
  type Value,
  characters,
  fail,
  hasSurrogates,
  isDict,
  isUndefined,
  iterate,
  keysOf,
  orElse,
  tuple,
  typeName,
} from "./values.js";

/** `object.name`: a method before a key, as Python's getattr comes before getitem. */
export function getAttribute(object: Value, name: string): Value {
  if (isUndefined(object)) fail(object);
  const own = method(object, name);
  if (own !== undefined) return own;
  const found = item(object, name);
  return found === undefined ? missing(object, name) : found;
}

/** `object[key]`: a key before a method. */
export function getItem(object: Value, key: Value): Value {
  if (isUndefined(object)) fail(object);
  const found = item(object, key);
  if (found !== undefined) return found;
  const own = typeof key === "string" ? method(object, key) : undefined;
  return own === undefined ? missing(object, key) : own;
}

/** `object[start:stop:step]` */
export function getSlice(object: Value, start: Value, stop: Value, step: Value): Value {
  if (isUndefined(object)) fail(object);
  if (typeof object !== "string" && !Array.isArray(object)) {
    throw new TemplateError(`'${typeName(object)}' object cannot be sliced`);
  }
  const stride = optional(step, 1, integer, "slice step");
  if (stride === 0) throw new TemplateError("slice step cannot be zero");
  const units: string | Value[] =
    typeof object === "string" && hasSurrogates(object) ? characters(object) : object;
  const [lowest, highest] = stride > 0 ? [0, units.length] : [-1, units.length - 1];
  const place = (value: Value, fallback: number) => {
    const index = optional(value, undefined, integer, "slice index");
    if (index === undefined) return fallback;
    return Math.min(Math.max(index < 0 ? index + units.length : index, lowest), highest);
  };
  const from = place(start, stride > 0 ? lowest : highest);
  const to = place(stop, stride > 0 ? highest : lowest);
  if (stride === 1 && typeof units === "string") return units.slice(from, Math.max(from, to));
  const picked: Value[] = [];
  spend(ITEM * Math.max(0, Math.ceil((to - from) / stride)));
  for (let index = from; stride > 0 ? index < to : index > to; index += stride) picked.push(units[index]!);
  if (typeof object === "string") return (picked as string[]).join("");
  return object instanceof Tuple ? tuple(picked) : picked;
}

export function missing(object: Value, name: Value): Undefined {
  if (typeof name === "string") {
    const owner = object === null ? "None" : `'${typeName(object)}${isDict(object) ? " object" : ""}'`;
    return new Undefined(`${owner} has no ${isDict(object) ? "key or attribute" : "attribute"} '${name}'`);
  }
  return new Undefined(`${typeName(object)} object has no element ${repr(name)}`);
}

function item(object: Value, key: Value): Value | undefined {
  spend(typeof key === "string" ? STEP + key.length : STEP);
  if (isDict(object)) {
    return typeof key === "string" && Object.hasOwn(object, key) ? object[key] : undefined;
  }
  if (typeof key === "boolean") key = Number(key);
  if (typeof key !== "number" || !Number.isInteger(key)) return undefined;
  if (Array.isArray(object)) return object.at(key);
  if (typeof object !== "string") return undefined;
  const units = hasSurrogates(object) ? characters(object) : object;
  return units.at(key);
}

/** What the object itself has by that name, without its keys. */
export function method(object: Value, name: string): Value | undefined {
  if (typeof object === "string") {
    const found = STRING_METHODS.get(name);
    if (found === undefined) return undefined;
    return (args, kwargs) => {
      spendTexts(object, args, kwargs);
      return found(object, args, kwargs);
    };
  }
  if (Array.isArray(object)) return listMethod(object, name);
  if (object instanceof Host) return object.attributes.get(name);
  return isDict(object) ? dictMethod(object, name) : undefined;
}

// Lists and dicts of a template cannot be changed: transformers renders in an immutable sandbox.

function listMethod(list: Value[], name: string): Callable | undefined {
  switch (name) {
    case "index":
      return (args, kwargs) => {
        const [wanted] = bind("index()", ["value"], args, kwargs);
        const index = iterate(list).findIndex((other) => equal(other, orElse(wanted, null)));
        if (index < 0) throw new TemplateError("the value is not in the list");
        return index;
      };
    case "count":
      return (args, kwargs) => {
        const [wanted] = bind("count()", ["value"], args, kwargs);
        return iterate(list).filter((other) => equal(other, orElse(wanted, null))).length;
      };
    case "copy":
      return list instanceof Tuple ? undefined : () => [...iterate(list)];
    default:
      return undefined;
  }
}

function dictMethod(dict: Dict, name: string): Callable | undefined {
  switch (name) {
    case "get":
      return (args, kwargs) => {
        const [key, fallback] = bind("get()", ["key", "default"], args, kwargs);
        return orElse(item(dict, orElse(key, null)), orElse(fallback, null));
      };
    case "keys":
      return () => keysOf(dict);
    case "values":
      return () => items(dict).map(([, value]) => value!);
    case "items":
      return () => items(dict);
    case "copy":
      return () => {
        spend(DICT + ENTRY * keysOf(dict).length);
        return { ...dict };
      };
    default:
      return undefined;
  }
}

export function items(dict: Dict): Tuple[] {
  return keysOf(dict).map((key) => {
    spend(ENTRY);
    return tuple([key, dict[key]!]);
  });
}
