import { globals } from "./globals.js";
import { parseTemplate } from "./parse.js";
import { Scope } from "./scope.js";
import { compileBlock, type Execute, render } from "./statements.js";
import { withBudget } from "./budget.js";
import { TemplateError } from "./error.js";
import { readVariables } from "./variables.js";

/** What a rendering may be given beside its variables. */
export interface RenderOptions {
  /** The clock of `strftime_now`, which prints local time; the machine's own unless given. */
  now?: () => Date;
  /**
   * How much the rendering may do and make, in units of about one character that is read or one byte that is kept.
   * Unless given, it is 1,000 for each character of the variables and 10^8 more, but at most 2·10^9. `Infinity` sets no
   * limit.
   */
  budget?: number;
}

/**
 * A Jinja template that renders as Python's Jinja does in transformers' environment for chat templates: `trim_blocks`,
 * `lstrip_blocks`, loop controls, the `generation` tag, no autoescape, a sandbox in which nothing can be changed.
 *
 * ```ts
 * import { Template } from "@reward-model-score/jinja";
 *
 * const template = new Template("{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}\n{% endfor %}");
 * const text = template.render({ messages: [{ role: "user", content: " Hi! " }] });
 * console.log(text); // <|user|>Hi!
 * ```
 */
export class Template {
  // The grammar is `@huggingface/jinja`'s. Its interpreter prints, compares and scopes as JavaScript does (`true`, `null`
  // as nothing, variables that survive a round of a loop), so the tree is evaluated here, by Python's rules.
  readonly #block: Execute;

  /**
   * Parses a template, which may then be rendered any number of times.
   *
   * @param source text of at most 1,048,576 characters
   * @throws {@link TemplateError} when it does not parse
   */
  constructor(source: string) {
    this.#block = withinStack("nests too deeply", () => compileBlock(parseTemplate(source)));
  }

  /**
   * The text that the template makes of its variables. The same template, variables and clock give the same text, or end
   * in the same error.
   *
   * ```ts
   * import { Template } from "@reward-model-score/jinja";
   *
   * const template = new Template("{{ strftime_now('%d %b %Y') }}: {{ items | length }} of {{ items }}");
   * const now = () => new Date(2024, 6, 26);
   * console.log(template.render({ items: [1, "two", null] }, { now })); // 26 Jul 2024: 3 of [1, 'two', None]
   * ```
   *
   * @param variables JSON's values by their names: text, numbers, booleans, null, arrays and plain objects. Members that
   * are undefined count as absent. They are not changed.
   * @throws {@link TemplateError} when the template raises, where Python would, or when it exceeds its budget
   * @throws TypeError when a variable is none of JSON's values
   */
  render(variables: Readonly<Record<string, unknown>> = {}, options: RenderOptions = {}): string {
    const { values, size } = readVariables(variables);
    const { now = () => new Date(), budget = defaultBudget(size) } = options;
    const global = new Scope();
    for (const [name, value] of [...globals(now), ...values]) global.set(name, value);
    return withBudget(budget, () =>
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

function defaultBudget(size: number): number {
  return Math.min(SMALLEST_BUDGET + BUDGET_PER_CHARACTER * size, LARGEST_BUDGET);
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
