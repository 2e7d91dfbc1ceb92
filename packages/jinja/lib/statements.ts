import type { Expression, Node, Parameter, Statement } from "./ast.js";
import { ROUND, STEP, spend } from "./budget.js";
import {
  callable,
  compileArguments,
  compileExpression,
  compileFilter,
  type Evaluate,
} from "./expressions.js";
import { loopObject } from "./loop.js";
import { Scope } from "./scope.js";
import { str } from "./text.js";
import { TemplateError } from "./error.js";
import {
  type Callable,
  Namespace,
  Undefined,
  type Value,
  dict,
  iterate,
  truthy,
  tuple,
  typeName,
} from "./values.js";

/** How a block ended: what was printed before a `break` or `continue` stays printed. */
export enum Flow {
  Next,
  Break,
  Continue,
}

type Print = (text: string) => void;
export type Execute = (scope: Scope, print: Print) => Flow;

export function compileBlock(nodes: Node[]): Execute {
  const steps = nodes.map(compileNode);
  return (scope, print) => {
    for (const step of steps) {
      spend(STEP);
      const flow = step(scope, print);
      if (flow !== Flow.Next) return flow;
    }
    return Flow.Next;
  };
}

export function render(block: Execute, scope: Scope): string {
  const parts: string[] = [];
  block(scope, (text) => {
    spend(text.length);
    parts.push(text);
  });
  return parts.join("");
}

function compileNode(node: Node): Execute {
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the rest are expressions
  switch (node.type) {
    case "If": {
      const test = compileExpression(node.test);
      const yes = compileBlock(node.body);
      const no = compileBlock(node.alternate);
      return (scope, print) => (truthy(test(scope)) ? yes : no)(scope, print);
    }
    case "For":
      return compileFor(node);
    case "Set":
      return compileSet(node);
    case "Macro": {
      const make = compileMacro(node.args, node.body, node.name.value);
      return (scope) => {
        scope.set(node.name.value, make(scope));
        return Flow.Next;
      };
    }
    case "CallStatement": {
      const callee = compileExpression(node.call.callee);
      const read = compileArguments(node.call.args);
      const makeCaller = compileMacro(node.callerArgs ?? [], node.body, "caller");
      return (scope, print) => {
        const [args, kwargs] = read(scope);
        const result = callable(callee(scope))(args, new Map([...kwargs, ["caller", makeCaller(scope)]]));
        print(str(result));
        return Flow.Next;
      };
    }
    case "FilterStatement": {
      const body = compileBlock(node.body);
      const filter = compileFilter(node.filter);
      return (scope, print) => {
        print(str(filter(render(body, new Scope(scope)), scope)));
        return Flow.Next;
      };
    }
    case "Break":
      return () => Flow.Break;
    case "Continue":
      return () => Flow.Continue;
    default: {
      const value = compileExpression(node);
      return (scope, print) => {
        print(str(value(scope)));
        return Flow.Next;
      };
    }
  }
}

type Assign = (scope: Scope, value: Value) => void;

function compileTarget(target: Expression): Assign {
  if (target.type === "Identifier") return (scope, value) => scope.set(target.value, value);
  if (target.type === "TupleLiteral") {
    const targets = target.value.map(compileTarget);
    return (scope, value) => {
      const items = iterate(value);
      if (items.length !== targets.length) {
        throw new TemplateError(`expected ${targets.length} values to unpack, got ${items.length}`);
      }
      targets.forEach((assign, index) => assign(scope, items[index]!));
    };
  }
  if (target.type === "MemberExpression" && !target.computed && target.property.type === "Identifier") {
    const owner = compileExpression(target.object);
    const name = target.property.value;
    return (scope, value) => {
      const object = owner(scope);
      if (!(object instanceof Namespace)) {
        throw new TemplateError(
          `cannot assign attribute '${name}' on ${typeName(object)}, only on a namespace`,
        );
      }
      object.attributes.set(name, value);
    };
  }
  throw new TemplateError("cannot assign to this expression");
}

function compileSet(node: Extract<Statement, { type: "Set" }>): Execute {
  const assign = compileTarget(node.assignee);
  const body = compileBlock(node.body);
  const value: Evaluate =
    node.value === null ? (scope) => render(body, new Scope(scope)) : compileExpression(node.value);
  return (scope) => {
    assign(scope, value(scope));
    return Flow.Next;
  };
}

/** Every round has names of its own, so that a `set` in one round is not seen in the next. */
function compileFor(node: Extract<Statement, { type: "For" }>): Execute {
  const selects = node.iterable.type === "SelectExpression" ? node.iterable : undefined;
  const iterable = compileExpression(selects === undefined ? node.iterable : selects.lhs);
  const test = selects === undefined ? undefined : compileExpression(selects.test);
  const assign = compileTarget(node.loopvar);
  const body = compileBlock(node.body);
  const otherwise = compileBlock(node.defaultBlock);
  const scopeFor = (scope: Scope, item: Value) => {
    spend(ROUND);
    const round = new Scope(scope);
    assign(round, item);
    return round;
  };
  return (scope, print) => {
    const all = iterate(iterable(scope));
    const items = test === undefined ? all : all.filter((item) => truthy(test(scopeFor(scope, item))));
    // Jinja's own rule: `else` runs unless some round came to its end.
    let completed = false;
    const loop = loopObject(items);
    for (const [index, item] of items.entries()) {
      const round = scopeFor(scope, item);
      round.set("loop", loop.at(index));
      const flow = body(round, print);
      if (flow === Flow.Break) break;
      completed ||= flow === Flow.Next;
    }
    if (!completed) return otherwise(new Scope(scope), print);
    return Flow.Next;
  };
}

/** A macro sees the names around its definition, not those of its caller. */
function compileMacro(parameters: Parameter[], body: Node[], name: string): (scope: Scope) => Callable {
  const signature = parameters.map((parameter) =>
    parameter.type === "Identifier"
      ? { name: parameter.value, fallback: undefined }
      : { name: parameter.key.value, fallback: compileExpression(parameter.value) },
  );
  const block = compileBlock(body);
  const source = JSON.stringify(body, (_key, value: unknown) => (value instanceof Map ? [...value] : value));
  const reads = (special: string) => source.includes(`{"type":"Identifier","value":"${special}"}`);
  const takesVarargs = reads("varargs");
  const takesKwargs = reads("kwargs");
  return (definition) => (args, kwargs) => {
    spend(ROUND);
    const scope = new Scope(definition);
    const rest = new Map(kwargs);
    const caller = rest.get("caller");
    rest.delete("caller");
    if (caller !== undefined) scope.set("caller", caller);
    signature.forEach(({ name: parameter, fallback }, index) => {
      const value = index < args.length ? args[index] : rest.get(parameter);
      if (index < args.length && rest.has(parameter)) {
        throw new TemplateError(`macro '${name}' got multiple values for argument '${parameter}'`);
      }
      rest.delete(parameter);
      scope.set(
        parameter,
        value !== undefined
          ? value
          : fallback === undefined
            ? new Undefined(`parameter '${parameter}' was not provided`)
            : fallback(scope),
      );
    });
    if (rest.size > 0 && !takesKwargs) {
      throw new TemplateError(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`);
    }
    if (args.length > signature.length && !takesVarargs) {
      throw new TemplateError(`macro '${name}' takes not more than ${signature.length} argument(s)`);
    }
    scope.set("kwargs", dict(rest));
    scope.set("varargs", tuple(args.slice(signature.length)));
    return render(block, scope);
  };
}
