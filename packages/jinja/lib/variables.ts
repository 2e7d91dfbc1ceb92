import type { Value } from "./values.js";

export interface Variables {
  values: [name: string, value: Value][];
  /** Characters of all texts, and as many for each part of a value as one has when it is printed, about. */
  size: number;
}

/**
 * Copies what a template is given, so that it is plain data of this realm: no getters, nothing that changes meanwhile.
 * Members that are undefined are absent.
 */
export function readVariables(variables: Readonly<Record<string, unknown>>): Variables {
  let size = 0;
  const read = (value: unknown, key: string, path: string): Value => {
    size += 8 + key.length;
    if (typeof value === "string") {
      size += value.length;
      return value;
    }
    if (typeof value === "number" || typeof value === "boolean" || value === null) {
      size += 1;
      return value;
    }
    // Asks for every index: an array may have holes.
    if (Array.isArray(value)) {
      return Array.from(value, (item: unknown, index) => read(item, String(index), `${path}[${index}]`));
    }
    // Unlike assignments, works for a key named "__proto__".
    if (isPlainObject(value)) return Object.fromEntries(members(value, `${path}.`));
    throw new TypeError(
      `${path} is of type ${typeOf(value)}; a template takes text, numbers, booleans, null, arrays and plain objects`,
    );
  };
  const members = (object: Readonly<Record<string, unknown>>, owner: string) =>
    Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]): [string, Value] => [key, read(value, key, owner + key)]);

  try {
    return { values: members(variables, ""), size };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TypeError("the variables nest too deeply, or hold themselves", { cause: error });
  }
}

/** Of any realm: objects of a vm context, like those of Jest's tests, have a prototype of their own. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function typeOf(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : typeof value;
}
