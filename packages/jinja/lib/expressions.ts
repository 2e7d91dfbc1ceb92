import type { Argument, CallExpression, Expression, Identifier, SliceExpression } from "./ast.js";
import { getAttribute, getItem, getSlice, items } from "./attributes.js";
import { ENTRY, STEP, spend } from "./budget.js";
import { runFilter } from "./filters.js";
import { add, arithmetic, compare, concat, contains, equal, modulo, multiply, negate } from "./operators.js";
import { NEGATED_TEST_PREFIX, TEST_PREFIX } from "./parse.js";
import type { Scope } from "./scope.js";
import { runTest } from "./tests.js";
import { TemplateError } from "./error.js";
import {
  exact,
  type Callable,
  type Kwargs,
  Undefined,
  type Value,
  dict,
  fail,
  float,
  isDict,
  isUndefined,
  iterate,
  truthy,
  tuple,
  typeName,
} from "./values.js";

export type Evaluate = (scope: Scope) => Value;

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

export function compileExpression(node: Expression): Evaluate {
  const evaluate = compileNode(node);
  return (scope) => {
    spend(STEP);
    return evaluate(scope);
  };
}

function compileNode(node: Expression): Evaluate {
  switch (node.type) {
    case "StringLiteral": {
      const { value } = node;
      return () => value;
    }
    case "IntegerLiteral": {
      const { value } = node;
      return () => exact(value);
    }
    case "FloatLiteral": {
      const value = float(node.value);
      return () => value;
    }
    case "Identifier": {
      const constant = CONSTANTS.get(node.value);
      return constant === undefined ? (scope) => scope.get(node.value) : () => constant;
    }
    case "ArrayLiteral": {
      const items = node.value.map(compileExpression);
      return (scope) => items.map((item) => item(scope));
    }
    case "TupleLiteral": {
      const items = node.value.map(compileExpression);
      return (scope) => tuple(items.map((item) => item(scope)));
    }
    case "ObjectLiteral": {
      const entries = Array.from(
        node.value,
        ([key, value]) => [compileExpression(key), compileExpression(value)] as const,
      );
      return (scope) => {
        spend(ENTRY * entries.length);
        return dict(entries.map(([key, value]) => [dictKey(key(scope)), value(scope)]));
      };
    }
    case "MemberExpression":
      return compileMember(node.object, node.property, node.computed);
    case "CallExpression":
      return compileCall(node);
    case "FilterExpression": {
      const operand = compileExpression(node.operand);
      const filter = compileFilter(node.filter);
      return (scope) => filter(operand(scope), scope);
    }
    case "UnaryExpression":
      return compileUnary(node.operator.value, compileExpression(node.argument));
    case "BinaryExpression":
      return compileBinary(node.operator.value, compileExpression(node.left), compileExpression(node.right));
    case "Ternary": {
      const [condition, yes, no] = [node.condition, node.trueExpr, node.falseExpr].map(compileExpression) as [
        Evaluate,
        Evaluate,
        Evaluate,
      ];
      return (scope) => (truthy(condition(scope)) ? yes(scope) : no(scope));
    }
    case "SelectExpression": {
      const value = compileExpression(node.lhs);
      const test = compileExpression(node.test);
      return (scope) =>
        truthy(test(scope))
          ? value(scope)
          : new Undefined("the inline if-expression evaluated to false and no else section was defined.");
    }
  }
}

function dictKey(key: Value): string {
  if (typeof key === "string") return key;
  throw new TemplateError(`a dict's keys must be str here, got ${typeName(key)}`);
}

function compileMember(
  object: Expression,
  property: Expression | SliceExpression,
  computed: boolean,
): Evaluate {
  const owner = compileExpression(object);
  if (property.type === "SliceExpression") {
    const [start, stop, step] = [property.start, property.stop, property.step].map((bound) =>
      bound === undefined ? () => null : compileExpression(bound),
    ) as [Evaluate, Evaluate, Evaluate];
    return (scope) => getSlice(owner(scope), start(scope), stop(scope), step(scope));
  }
  if (!computed) {
    if (property.type === "Identifier") {
      const name = property.value;
      return (scope) => getAttribute(owner(scope), name);
    }
  }
  const key = compileExpression(property);
  return (scope) => getItem(owner(scope), key(scope));
}

export type EvaluateArguments = (scope: Scope) => [args: Value[], kwargs: Kwargs];

export function compileArguments(nodes: Argument[]): EvaluateArguments {
  const positional: { spread: boolean; value: Evaluate }[] = [];
  const named: { name: string | undefined; value: Evaluate }[] = [];
  for (const node of nodes) {
    if (node.type === "KeywordArgumentExpression") {
      named.push({ name: node.key.value, value: compileExpression(node.value) });
    } else if (node.type === "KeywordSpreadExpression") {
      named.push({ name: undefined, value: compileExpression(node.argument) });
    } else if (node.type === "SpreadExpression") {
      positional.push({ spread: true, value: compileExpression(node.argument) });
    } else {
      positional.push({ spread: false, value: compileExpression(node) });
    }
  }
  return (scope) => {
    const args = positional.flatMap(({ spread, value }) => (spread ? iterate(value(scope)) : [value(scope)]));
    const kwargs = new Map<string, Value>();
    const add = (name: string, value: Value) => {
      if (kwargs.has(name)) throw new TemplateError(`got multiple values for keyword argument '${name}'`);
      kwargs.set(name, value);
    };
    for (const { name, value } of named) {
      const evaluated = value(scope);
      if (name !== undefined) add(name, evaluated);
      else if (isDict(evaluated)) items(evaluated).forEach(([key, item]) => add(key as string, item!));
      else throw new TemplateError(`argument after ** must be a mapping, not ${typeName(evaluated)}`);
    }
    return [args, kwargs];
  };
}

export function callable(value: Value): Callable {
  if (typeof value === "function") return value;
  if (isUndefined(value)) fail(value);
  throw new TemplateError(`'${typeName(value)}' object is not callable`);
}

function compileCall(node: CallExpression): Evaluate {
  const callee = compileExpression(node.callee);
  const read = compileArguments(node.args);
  return (scope) => callable(callee(scope))(...read(scope));
}

export function compileFilter(node: Identifier | CallExpression): (value: Value, scope: Scope) => Value {
  const name = (node.type === "Identifier" ? node : (node.callee as Identifier)).value;
  const read: EvaluateArguments =
    node.type === "Identifier" ? () => [[], new Map()] : compileArguments(node.args);
  for (const [prefix, expected] of [
    [TEST_PREFIX, true],
    [NEGATED_TEST_PREFIX, false],
  ] as const) {
    if (name.startsWith(prefix)) {
      const test = name.slice(prefix.length);
      return (value, scope) => runTest(test, value, read(scope)[0]) === expected;
    }
  }
  return (value, scope) => runFilter(name, value, ...read(scope));
}

function compileUnary(operator: string, argument: Evaluate): Evaluate {
  switch (operator) {
    case "not":
      return (scope) => !truthy(argument(scope));
    case "-":
      return (scope) => negate(argument(scope));
    default:
      return (scope) => negate(negate(argument(scope)));
  }
}

function compileBinary(operator: string, left: Evaluate, right: Evaluate): Evaluate {
  const eager = (operation: (a: Value, b: Value) => Value): Evaluate => {
    return (scope) => operation(left(scope), right(scope));
  };
  switch (operator) {
    case "and":
      return (scope) => {
        const value = left(scope);
        return truthy(value) ? right(scope) : value;
      };
    case "or":
      return (scope) => {
        const value = left(scope);
        return truthy(value) ? value : right(scope);
      };
    case "==":
      return eager(equal);
    case "!=":
      return eager((a, b) => !equal(a, b));
    case "<":
      return eager((a, b) => compare(a, b, "<") < 0);
    case "<=":
      return eager((a, b) => compare(a, b, "<=") <= 0);
    case ">":
      return eager((a, b) => compare(a, b, ">") > 0);
    case ">=":
      return eager((a, b) => compare(a, b, ">=") >= 0);
    case "in":
      return eager((a, b) => contains(b, a));
    case "not in":
      return eager((a, b) => !contains(b, a));
    case "~":
      return eager(concat);
    case "+":
      return eager(add);
    case "*":
      return eager(multiply);
    case "%":
      return eager(modulo);
    case "-":
    case "/":
    case "//":
    case "**":
      return eager((a, b) => arithmetic(operator, a, b));
    default:
      throw new TemplateError(`unknown operator ${operator}`);
  }
}
