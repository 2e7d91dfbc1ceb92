import { printf } from "./printf.js";
import { compareText, repeat as repeatText, spendSearch, str } from "./text.js";
import { ITEM, spend } from "./budget.js";
import { TemplateError } from "./error.js";
import {
  exact,
  Tuple,
  type Value,
  fail,
  float,
  isDict,
  isFloat,
  isInt,
  isUndefined,
  iterate,
  keysOf,
  numberOf,
  tuple,
  typeName,
} from "./values.js";

export function equal(a: Value, b: Value): boolean {
  // Texts of different lengths are not read.
  spend(typeof a === "string" && typeof b === "string" && a.length === b.length ? a.length + 4 : 4);
  const left = numberOf(a);
  if (left !== undefined) return left === numberOf(b);
  if (isUndefined(a)) return isUndefined(b);
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length || a instanceof Tuple !== b instanceof Tuple) return false;
    return a.every((item, index) => equal(item, b[index]!));
  }
  if (isDict(a)) {
    if (!isDict(b)) return false;
    const keys = keysOf(a);
    return (
      keys.length === keysOf(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && equal(a[key]!, b[key]!))
    );
  }
  return a === b;
}

/** Negative, zero or positive, as Python orders two values; other pairs than it can order fail. */
export function compare(a: Value, b: Value, operator = "<"): number {
  spend(1);
  if (isUndefined(a)) fail(a);
  if (isUndefined(b)) fail(b);
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return left - right;
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
    for (let index = 0; index < Math.min(a.length, b.length); index++) {
      if (!equal(a[index]!, b[index]!)) return compare(a[index]!, b[index]!, operator);
    }
    return a.length - b.length;
  }
  throw new TemplateError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  );
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") {
      spendSearch(container, item);
      return container.includes(item);
    }
    throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (isDict(container) && (isDict(item) || (Array.isArray(item) && !(item instanceof Tuple)))) {
    throw new TemplateError(`unhashable type: '${typeName(item)}'`);
  }
  if (isDict(container)) return typeof item === "string" && Object.hasOwn(container, item);
  if (Array.isArray(container) || isUndefined(container)) {
    return iterate(container).some((other) => equal(other, item));
  }
  throw new TemplateError(`argument of type '${typeName(container)}' is not iterable`);
}

export function add(a: Value, b: Value): Value {
  if (typeof a === "string" && typeof b === "string") return concat(a, b);
  if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
    spend(ITEM * (a.length + b.length));
    return a instanceof Tuple ? tuple([...a, ...b]) : [...a, ...b];
  }
  if (typeof a === "string" && !isUndefined(b)) {
    throw new TemplateError(`can only concatenate str (not "${typeName(b)}") to str`);
  }
  return arithmetic("+", a, b);
}

function repeat(sequence: Value, count: Value): Value | undefined {
  if (!isInt(count) && typeof count !== "boolean") return undefined;
  const times = Math.max(0, Number(count));
  if (typeof sequence === "string") return repeatText(sequence, times);
  if (!Array.isArray(sequence)) return undefined;
  spend(ITEM * times * Math.max(1, sequence.length));
  const items = Array.from({ length: times }, () => sequence).flat();
  return sequence instanceof Tuple ? tuple(items) : [...items];
}

export function multiply(a: Value, b: Value): Value {
  return repeat(a, b) ?? repeat(b, a) ?? arithmetic("*", a, b);
}

export function modulo(a: Value, b: Value): Value {
  return typeof a === "string" ? printf(a, b) : arithmetic("%", a, b);
}

export function concat(a: Value, b: Value): Value {
  const [left, right] = [str(a), str(b)];
  // JavaScript copies neither until the result is read, and whoever reads it pays for that. Paying for the shorter one
  // bounds how long a text can grow, and costs a template that gathers its output in a variable no more than that output.
  spend(Math.min(left.length, right.length));
  return left + right;
}

export function arithmetic(operator: "+" | "-" | "*" | "/" | "//" | "%" | "**", a: Value, b: Value): Value {
  if (isUndefined(a)) fail(a);
  if (isUndefined(b)) fail(b);
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === undefined || y === undefined) {
    throw new TemplateError(
      `unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`,
    );
  }
  if (y === 0 && (operator === "/" || operator === "//" || operator === "%")) {
    throw new TemplateError("division by zero");
  }
  const result = compute(operator, x, y);
  const floats = isFloat(a) || isFloat(b) || operator === "/" || (operator === "**" && y < 0);
  return floats ? float(result) : exact(result);
}

function compute(operator: "+" | "-" | "*" | "/" | "//" | "%" | "**", x: number, y: number): number {
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      return x / y;
    case "//":
      return Math.floor(x / y);
    case "%":
      return x - y * Math.floor(x / y);
    case "**":
      return x ** y;
  }
}

export function negate(value: Value): Value {
  if (isUndefined(value)) fail(value);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`bad operand type for unary -: '${typeName(value)}'`);
  return isFloat(value) ? float(-number) : 0 - number;
}
