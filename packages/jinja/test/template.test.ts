import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Template, TemplateError } from "@reward-model-score/jinja";

/** What scripts/fixtures/jinja.py writes. */
interface Golden {
  variables: Record<string, unknown>;
  cases: { template: string; text?: string; error?: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL("fixtures/templates.json", import.meta.url), "utf8"),
) as Golden;

/** The clock that the goldens were made with. */
const now = () => new Date(2024, 6, 6, 5, 4, 3);

function render(template: string, variables: Record<string, unknown> = {}): string {
  return new Template(template).render(variables, { now });
}

function outcome(template: string): { text?: string; error?: string } {
  try {
    return { text: render(template) };
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError);
    return { error: (error as TemplateError).message };
  }
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

describe("an integer", () => {
  it("is exact below 2 ** 53", () => {
    expect(render("{{ 2 ** 52 - 1 + 2 ** 52 }} {{ 9007199254740991 }} {{ '9007199254740991'|int }}")).toBe(
      "9007199254740991 9007199254740991 9007199254740991",
    );
  });

  it.each([
    "{{ 10 ** 100000000 }}",
    "{{ 2 ** 53 + 1 }}",
    "{{ (2 ** 52) * 3 }}",
    "{{ 12345678901234567890 }}",
    "{{ '12345678901234567890'|int }}",
    "{{ -(2 ** 52) * 4 }}",
  ])("is none that would be another beyond it: %s", (template) => {
    expect(() => render(template)).toThrow("2 ** 53");
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

describe("a template is data of strangers", () => {
  const setUp =
    "{% set ns = namespace(l=[1], s='ab', d={'a': 1}) %}{% set s = 'a' * 1000000 %}{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n else 1 }}{% endmacro %}";
  const again = (name: string, expression: string) =>
    `{% for i in range(60) %}{% set ns.${name} = ${expression} %}{% endfor %}`;

  it.each([
    again("l", "ns.l + ns.l"),
    again("l", "ns.l * 3"),
    again("s", "ns.s ~ ns.s"),
    again("s", "ns.s.replace('a', ns.s)"),
    again("s", "[ns.s] | string"),
    again("s", "ns.s | tojson"),
    `${again("l", "[ns.l, ns.l]")}{{ ns.l }}`,
    `${again("l", "[ns.l, ns.l]")}{{ ns.l | tojson }}`,
    `${again("l", "{'a': ns.l, 'b': ns.l}")}{{ ns.l | tojson(indent=2) }}`,
    `{% set ns.d = [1] %}${again("l", "[ns.l, ns.l]")}${again("d", "[ns.d, ns.d]")}{{ ns.l == ns.d }}`,
    "{% for i in range(99999) if range(99999) | select('even') | list %}{% endfor %}",
    "{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{{ s }}{% endfor %}",
    "{% for i in range(99999) %}{% set x = s[::-1] %}{% endfor %}",
    "{% for i in range(99999) %}{% set x = s[i] %}{% endfor %}",
    "{% for i in range(99999) %}{% set x = (s ~ i) == (s ~ i) %}{% endfor %}",
    "{% for c in s %}{% for d in s %}{% endfor %}{% endfor %}",
    "{{ f(60) }}",
    "{{ [1] | batch(10**9, 0) }}",
    "{{ [] * 10**9 }}",
    "{{ 'x' * 10**9 }}",
    "{{ 'x' * 10**15 }}",
    "{{ 'x'.center(10**9) }}{{ 'x' | center(10**9) }}",
    "{{ 'x'.ljust(10**9) }}",
    "{{ 'x'.rjust(10**15) }}",
    "{{ 'x'.zfill(10**9) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%s' | format('x' * 10**9) }}",
    "{{ ('{0}' * 1000).format(s) }}",
    "{{ ('\n' * 100000) | indent(100000, blank=true) }}",
    "{{ 'x' | indent(10**9, true) }}",
    "{{ [1] | tojson(indent=10**9) }}",
    "{{ range(99999) | list | tojson(separators=(s, ':')) }}",
    "{{ range(99999) | join(s) }}{{ s.join(['', ''] * 1000) }}",
    "{{ s.replace('', s) }}",
    "{{ s.replace('a', s, 1000) }}",
    "{{ s.rfind('a' * 500000 ~ 'b') }}",
    "{{ ('a' * 250000 ~ 'b' ~ 'a' * 250000) in s }}",
    "{{ s.split('a' * 250000 ~ 'b' ~ 'a' * 250000) }}",
    "{{ ([s ~ 'b'] * 999) | sort }}",
    "{{ range(99999) | unique | list }}",
    "{{ ([[1, 2]] * 9999) | sum(start=[]) }}",
    "{{ strftime_now('%c' * 1000000) * 99 }}",
  ])("what has no end ends by its budget: %s", (template) => {
    expect(() => render(setUp + template)).toThrow(/more than any conversation needs/);
  });

  it.each([
    ["% directives", "{{ ('%' ~ '0' * 1000000) % 1 }}"],
    ["numbers", "{{ ('1' * 1000000 ~ 'x') | int }}"],
    ["white space", "{{ (' a' * 100000).split(none, 90000) | length }}"],
    ["white space from the right", "{{ (' a' * 100000).rsplit(none, 90000) | length }}"],
    ["runs of white space in the source", `{{ '${" \\n".repeat(300_000)}' | length }}`],
    ["tests in tests", `{{ 1 ${"is in [".repeat(50_000)}${"]".repeat(50_000)} }}`],
  ])("nothing takes quadratic time: %s", (_what, template) => {
    const found = outcome(template);
    expect(found.text ?? found.error).toBeDefined();
  });

  it.each([
    ["sums", `{{ ${"1+".repeat(100_000)}1 }}`],
    ["brackets", `{{ ${"[".repeat(100_000)}${"]".repeat(100_000)} }}`],
    ["attributes", `{{ a${".a".repeat(200_000)} }}`],
    ["blocks", `${"{% if 1 %}".repeat(20_000)}${"{% endif %}".repeat(20_000)}`],
    ["macros", `${"{% macro f() %}".repeat(3000)}${"{% endmacro %}".repeat(3000)}`],
  ])("a source that nests too deeply says so: %s", (_what, template) => {
    expect(() => render(template)).toThrow(/nests too deeply/);
  });

  it("a source that no chat template is as long as is not read", () => {
    expect(() => new Template("x".repeat(3_000_000))).toThrow(/3000000 characters/);
  });

  it("a text that is too long is not called a recursion, nor a number out of range", () => {
    expect(outcome("{{ 'x' * 2**30 }}").error).not.toContain("recurses");
    expect(outcome("{{ '%.1000f' % 1 }}").error).toContain("precision");
    expect(outcome("{{ '\\U00ffffff' }}").error).toContain("no character");
  });

  it("long lists and tuples are not taken for recursion", () => {
    expect(render("{{ (range(99999) | list * 3) | length }}{{ ((1, 2) * 200000) | length }}")).toBe(
      "299997400000",
    );
  });

  it("whatever grows by whatever rule ends, each time alike, and in a text or TemplateError", () => {
    const value = fc.constantFrom("ns.l", "ns.s", "ns.d", "i", "2", "10**9", "'a'", "s");
    const grow = fc.oneof(
      fc
        .tuple(value, fc.constantFrom("+", "*", "~", "==", "<", "in", "%"), value)
        .map((parts) => parts.join(" ")),
      fc.tuple(value, value).map(([a, b]) => `[${a}, ${b}]`),
      fc.tuple(value, value).map(([a, b]) => `{'a': ${a}, 'b': ${b}}`),
      fc
        .tuple(
          value,
          fc.constantFrom(
            "tojson",
            "string",
            "list",
            "escape",
            "urlencode",
            "title",
            "unique | list",
            "sort",
            "reverse",
            "items",
            "length",
          ),
        )
        .map((parts) => parts.join(" | ")),
      fc
        .tuple(
          value,
          fc.constantFrom("join", "batch", "indent", "center", "sum", "map", "format", "groupby", "round"),
          value,
          value,
        )
        .map(([a, name, b, c]) => `${a} | ${name}(${b}, ${c})`),
      fc
        .tuple(
          fc.constantFrom("ns.s", "s"),
          fc.constantFrom("replace", "ljust", "split", "count", "find", "format", "join", "startswith"),
          value,
          value,
        )
        .map(([a, name, b, c]) => `${a}.${name}(${b}, ${c})`),
      fc.constant("f(i)"),
    );
    const statement = fc.oneof(
      fc
        .tuple(fc.constantFrom("l", "s", "d"), grow)
        .map(([name, expression]) => `{% set ns.${name} = ${expression} %}`),
      grow.map((expression) => `{{ ${expression} }}`),
    );
    const loop = fc
      .tuple(
        fc.constantFrom("range(60)", "range(99999)", "ns.l", "ns.s"),
        fc.array(statement, { minLength: 1, maxLength: 3 }),
      )
      .map(([over, body]) => `{% for i in ${over} %}${body.join("")}{% endfor %}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(statement, loop), { minLength: 1, maxLength: 4 }), (parts) => {
        const template = setUp + parts.join("");
        expect(outcome(template)).toEqual(outcome(template));
      }),
      { numRuns: 40 },
    );
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
