import { TemplateError } from "./error.js";
import { type Kwargs, type Value, isInt, typeName } from "./values.js";

/** Lays positional and keyword arguments out in the order of a signature, as a call in Python does. */
export function bind(
  what: string,
  names: readonly string[],
  args: Value[],
  kwargs: Kwargs,
): (Value | undefined)[] {
  if (args.length > names.length) {
    throw new TemplateError(`${what} takes at most ${names.length} arguments (${args.length} given)`);
  }
  const bound: (Value | undefined)[] = names.map((_name, index) => args[index]);
  for (const [name, value] of kwargs) {
    const index = names.indexOf(name);
    if (index < 0) throw new TemplateError(`${what} got an unexpected keyword argument '${name}'`);
    if (index < args.length) throw new TemplateError(`${what} got multiple values for argument '${name}'`);
    bound[index] = value;
  }
  return bound;
}

export function text(what: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new TemplateError(`${what}: expected str, got ${value === undefined ? "nothing" : typeName(value)}`);
}

export function integer(what: string, value: Value | undefined): number {
  if (typeof value === "boolean") return Number(value);
  if (value !== undefined && isInt(value)) return value;
  throw new TemplateError(`${what}: expected int, got ${value === undefined ? "nothing" : typeName(value)}`);
}

/** An optional argument: absent and None are the same. */
export function optional<T>(
  value: Value | undefined,
  fallback: T,
  read: (what: string, value: Value) => T,
  what: string,
): T {
  return value === undefined || value === null ? fallback : read(what, value);
}
