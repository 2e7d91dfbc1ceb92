import { globals } from "./globals.js";
import { parseTemplate } from "./parse.js";
import { Scope } from "./scope.js";
import { compileBlock, type Execute, render } from "./statements.js";
import { TemplateError, type Value } from "./values.js";

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
    this.#block = compileBlock(parseTemplate(source));
  }

  /** Throws TemplateError when the template raises, or where Python would. */
  render(variables: Record<string, Value>, now: () => Date = () => new Date()): string {
    const global = new Scope();
    for (const [name, value] of globals(now)) global.set(name, value);
    for (const [name, value] of Object.entries(variables)) global.set(name, value);
    try {
      return render(this.#block, new Scope(global));
    } catch (error) {
      if (error instanceof RangeError)
        throw new TemplateError("the template recurses too deeply", { cause: error });
      throw error;
    }
  }
}
