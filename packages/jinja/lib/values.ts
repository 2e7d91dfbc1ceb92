import { DICT, ITEM, spend } from "./budget.js";
import { TemplateError } from "./error.js";

/**
 * The values of a template, as Python has them. Text, true, false and None are JavaScript's own; a number is an int
 * when it is integral, and a Float when it is an integral float; lists are arrays; dicts are plain objects.
 */
export type Value = string | number | boolean | null | Undefined | Float | Value[] | Dict | Host | Callable;

export interface Dict {
  [key: string]: Value;
}

export type Kwargs = ReadonlyMap<string, Value>;
export type Callable = (args: Value[], kwargs: Kwargs) => Value;

/** What a missing name or attribute gives: prints as nothing, and fails with `hint` when something is asked of it. */
export class Undefined {
  constructor(readonly hint: string) {}
}

/** A float that JavaScript would take for an integer, like the 2.0 of 4 / 2. */
export class Float {
  constructor(readonly value: number) {}
}

export class Tuple extends Array<Value> {
  /** What is made from a tuple by map or filter is a list. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** An object of the engine's own, with attributes: `loop`, a `cycler`. */
export class Host {
  constructor(readonly attributes: Map<string, Value>) {}
}

/** The only thing whose attributes a template may set. */
export class Namespace extends Host {}

export function isDict(value: Value): value is Dict {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function isUndefined(value: Value): value is Undefined {
  return value instanceof Undefined;
}

/** The number that a value counts as in arithmetic, if it is one; True is 1. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return value instanceof Float ? value.value : undefined;
}

export function isInt(value: Value): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

export function isFloat(value: Value): boolean {
  return value instanceof Float || (typeof value === "number" && !Number.isInteger(value));
}

export function float(value: number): Value {
  return Number.isInteger(value) ? new Float(value) : value;
}

export function tuple(items: Iterable<Value>): Tuple {
  return Tuple.from(items);
}

export function dict(entries: Iterable<readonly [string, Value]>): Dict {
  spend(DICT);
  const result = Object.create(null) as Dict;
  for (const [key, value] of entries) result[key] = value;
  return result;
}

/** Like `??`, which would take None for nothing given. */
export function orElse(value: Value | undefined, otherwise: Value): Value {
  return value === undefined ? otherwise : value;
}

export function truthy(value: Value): boolean {
  if (typeof value === "object" && value !== null) {
    if (Array.isArray(value)) return value.length > 0;
    if (value instanceof Float) return value.value !== 0;
    if (value instanceof Undefined) return false;
    return !isDict(value) || keysOf(value).length > 0;
  }
  return typeof value === "function" || Boolean(value);
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "function") return "function";
  if (value instanceof Tuple) return "tuple";
  if (Array.isArray(value)) return "list";
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Namespace) return "Namespace";
  if (value instanceof Host) return "object";
  if (isFloat(value)) return "float";
  return typeof value === "number" ? "int" : "dict";
}

/** What a `for` loop walks through: Undefined is empty, a dict gives its keys, a text its characters. */
export function iterate(value: Value): Value[] {
  if (typeof value === "string") return characters(value);
  if (value instanceof Undefined) return [];
  if (isDict(value)) return keysOf(value);
  if (Array.isArray(value)) {
    spend(ITEM * value.length);
    return value;
  }
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

export function lengthOf(value: Value): number {
  if (typeof value === "string") return codePoints(value);
  if (Array.isArray(value)) return value.length;
  if (isDict(value) || isUndefined(value)) return iterate(value).length;
  throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
}

export function keysOf(dict: Dict): string[] {
  const keys = Object.keys(dict);
  spend(ITEM * keys.length);
  return keys;
}

export function characters(text: string): string[] {
  spend(ITEM * text.length);
  return Array.from(text);
}

export function hasSurrogates(text: string): boolean {
  spend(text.length);
  return /[\ud800-\udfff]/.test(text);
}

/** Python counts characters where JavaScript counts UTF-16 units. */
export function codePoints(text: string): number {
  return hasSurrogates(text) ? characters(text).length : text.length;
}

export function fail(value: Undefined): never {
  throw new TemplateError(value.hint);
}

/** The integers of a template are exact, as Python's are, or there is no text. */
export function exact(integer: number): number {
  if (Number.isSafeInteger(integer)) return integer;
  throw new TemplateError("an integer beyond 2 ** 53, which cannot be computed with here");
}
