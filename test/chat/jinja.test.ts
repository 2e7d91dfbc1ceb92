import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JinjaTemplate } from "#lib/chat/jinja/template.js";
import { TemplateError, type Value } from "#lib/chat/jinja/values.js";

interface Golden {
  variables: Record<string, Value>;
  cases: { template: string; text?: string; error?: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/chat/jinja.json", import.meta.url), "utf8"),
) as Golden;

/** The clock that the goldens were made with. */
const now = () => new Date(2024, 6, 6, 5, 4, 3);

function render(template: string, variables: Record<string, Value> = {}): string {
  return new JinjaTemplate(template).render(variables, now);
}

describe("templates render as in transformers' Jinja environment", () => {
  const variables = { tools: null, documents: null, add_generation_prompt: false, ...golden.variables };

  it.each(golden.cases.filter((one) => one.text !== undefined))("$template", ({ template, text }) => {
    expect(render(template, variables)).toBe(text);
  });

  it.each(golden.cases.filter((one) => one.error !== undefined))("raises: $template", ({ template }) => {
    expect(() => render(template, variables)).toThrow(TemplateError);
  });
});

describe("what a template raises", () => {
  it("is its own message", () => {
    expect(() => render("{{ raise_exception('Roles must alternate') }}")).toThrow(
      new TemplateError("Roles must alternate"),
    );
  });

  it("names what is undefined", () => {
    expect(() => render("{{ message.content }}")).toThrow("'message' is undefined");
    expect(() => render("{{ m.a.b }}", { m: {} })).toThrow("'a'");
  });

  it("is an error, not a crash, for endless recursion", () => {
    expect(() => render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")).toThrow(/recurses too deeply/);
  });
});

describe("any input", () => {
  it("template source renders or raises TemplateError, and never anything else", () => {
    const fragment = fc.constantFrom(
      ..."{{ }} {% %} {%- -%} {# #} if else endif for in endfor set x = 1 'a' \" \\ ( ) [ ] { } . , : | ~ + - is not defined macro endmacro call raw endraw".split(
        " ",
      ),
      "\n",
      " ",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fragment, fc.string({ maxLength: 3 })), { maxLength: 25 }), (parts) => {
        try {
          render(parts.join(" "));
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("text without tags is printed as it is, apart from one newline at the end", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!/\{[{%#]|\r/.test(text));
        expect(render(`${text}\n`)).toBe(text);
      }),
    );
  });

  it("content reaches the output unchanged, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (content) => {
        expect(render("<{{ m.content }}>", { m: { content } })).toBe(`<${content}>`);
      }),
    );
  });
});

describe("a template cannot change what it was given", () => {
  it("nor reach the engine's own objects", () => {
    const messages = [{ role: "user", content: "x" }];
    expect(() => render("{{ messages.append(1) }}", { messages })).toThrow(TemplateError);
    expect(() => render("{% set messages[0].role = 'y' %}", { messages })).toThrow(TemplateError);
    expect(
      render("{{ messages.constructor }}{{ messages[0].__proto__ }}{{ 'a'.constructor }}", { messages }),
    ).toBe("");
    expect(messages).toEqual([{ role: "user", content: "x" }]);
  });
});
