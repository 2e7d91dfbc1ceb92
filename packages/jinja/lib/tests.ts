import { integer, text } from "./arguments.js";
import { spendTexts, str } from "./text.js";
import { compare, contains, equal } from "./operators.js";
import { TemplateError } from "./error.js";
import { type Value, isDict, isFloat, isInt, isUndefined, numberOf, truthy, typeName } from "./values.js";

type Test = (value: Value, args: Value[]) => boolean;

const argument = (args: Value[]): Value => {
  if (args.length === 0) throw new TemplateError("the test needs an argument");
  return args[0]!;
};

function remainder(value: Value, divisor: number): number {
  const number = numberOf(value);
  if (number === undefined)
    throw new TemplateError(`unsupported operand type(s) for %: '${typeName(value)}' and 'int'`);
  return number - divisor * Math.floor(number / divisor);
}

const isEqual: Test = (value, args) => equal(value, argument(args));
const isUnequal: Test = (value, args) => !equal(value, argument(args));
const isLess: Test = (value, args) => compare(value, argument(args), "<") < 0;
const isGreater: Test = (value, args) => compare(value, argument(args), ">") > 0;
const isLessOrEqual: Test = (value, args) => compare(value, argument(args), "<=") <= 0;
const isGreaterOrEqual: Test = (value, args) => compare(value, argument(args), ">=") >= 0;

/** Jinja's tests, by every name they have. */
export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["defined", (value) => !isUndefined(value)],
  ["undefined", (value) => isUndefined(value)],
  ["none", (value) => value === null],
  ["boolean", (value) => typeof value === "boolean"],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["integer", (value) => isInt(value)],
  ["float", (value) => isFloat(value)],
  ["number", (value) => numberOf(value) !== undefined],
  ["string", (value) => typeof value === "string"],
  ["mapping", (value) => isDict(value)],
  [
    "iterable",
    (value) => typeof value === "string" || Array.isArray(value) || isDict(value) || isUndefined(value),
  ],
  [
    "sequence",
    (value) => typeof value === "string" || Array.isArray(value) || isDict(value) || isUndefined(value),
  ],
  // Calling an Undefined fails, but Python's callable() says yes because it has a __call__.
  ["callable", (value) => typeof value === "function" || isUndefined(value)],
  ["sameas", (value, args) => Object.is(value, argument(args))],
  ["lower", (value) => /\p{Cased}/u.test(str(value)) && str(value) === str(value).toLowerCase()],
  ["upper", (value) => /\p{Cased}/u.test(str(value)) && str(value) === str(value).toUpperCase()],
  ["odd", (value) => remainder(value, 2) === 1],
  ["even", (value) => remainder(value, 2) === 0],
  ["divisibleby", (value, args) => remainder(value, integer("divisibleby", args[0])) === 0],
  ["in", (value, args) => contains(argument(args), value)],
  ["eq", isEqual],
  ["equalto", isEqual],
  ["==", isEqual],
  ["ne", isUnequal],
  ["!=", isUnequal],
  ["lt", isLess],
  ["lessthan", isLess],
  ["<", isLess],
  ["gt", isGreater],
  ["greaterthan", isGreater],
  [">", isGreater],
  ["le", isLessOrEqual],
  ["<=", isLessOrEqual],
  ["ge", isGreaterOrEqual],
  [">=", isGreaterOrEqual],
]);

export function runTest(name: string, value: Value, args: Value[]): boolean {
  const test = TESTS.get(name);
  if (test === undefined) throw new TemplateError(`No test named '${name}'.`);
  spendTexts(value, args, new Map());
  return test(value, args);
}

/** What `select` without a test asks. */
export function passes(value: Value, name: Value | undefined, args: Value[]): boolean {
  return name === undefined ? truthy(value) : runTest(text("test", name), value, args);
}
