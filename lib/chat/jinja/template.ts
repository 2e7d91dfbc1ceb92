import { globals } from "./globals.js";
import { parseTemplate } from "./parse.js";
import { Scope } from "./scope.js";
import { compileBlock, type Execute, render } from "./statements.js";
import { withBudget } from "./budget.js";
import { TemplateError } from "./error.js";
import { type Value } from "./values.js";

/**
 * A Jinja template that renders as Python's Jinja does in transformers' environment: trim_blocks, lstrip_blocks, loop
 * controls, the `generation` tag, no autoescape.
 *
 * The grammar is `@huggingface/jinja`'s. Its interpreter prints, compares and scopes as JavaScript does (`true`, `null`
 * as nothing, variables that survive a round of a loop), so the tree is evaluated here, by Python's rules.
 */
export class JinjaTemplate {
  readonly #block: Execute;

  /** Throws TemplateError when the source does not parse. */
  constructor(source: string) {
    this.#block = withinStack("nests too deeply", () => compileBlock(parseTemplate(source)));
  }

  /** Throws TemplateError when the template raises, where Python would, or when it does more than its budget allows. */
  render(variables: Record<string, Value>, now: () => Date = () => new Date()): string {
    const global = new Scope();
    for (const [name, value] of globals(now)) global.set(name, value);
    for (const [name, value] of Object.entries(variables)) global.set(name, value);
    return withBudget(budgetFor(variables), () =>
      withinStack("recurses too deeply", () => render(this.#block, new Scope(global))),
    );
  }
}

/**
 * What a rendering may cost: for each character of what is rendered a thousand, which is more than thirty times what
 * the templates of the tests and of known models need; enough for a short conversation too; and never so much that memory
 * runs out, which JavaScript cannot always survive.
 */
const SMALLEST_BUDGET = 1e8;
const BUDGET_PER_CHARACTER = 1e3;
const LARGEST_BUDGET = 2e9;

function budgetFor(variables: Record<string, Value>): number {
  return Math.min(SMALLEST_BUDGET + BUDGET_PER_CHARACTER * sizeOf(variables), LARGEST_BUDGET);
}

/** Characters of all texts in a value, and as many for each of its parts as one has when it is printed, about. */
function sizeOf(value: Value): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 1;
  return Object.entries(value).reduce((sum, [key, item]) => sum + 8 + key.length + sizeOf(item as Value), 0);
}

/** A stack that is full is the template's fault; so is a text or list that is larger than JavaScript's can be. */
function withinStack<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const reason = /stack/i.test(error.message)
      ? what
      : `makes something that is too large (${error.message})`;
    throw new TemplateError(`the template ${reason}`, { cause: error });
  }
}
