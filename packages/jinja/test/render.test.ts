/** What a rendering is given: its variables and options. */
import { runInNewContext } from "node:vm";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import * as api from "@reward-model-score/jinja";

const { Template, TemplateError } = api;

function render(source: string, variables?: Record<string, unknown>, options?: api.RenderOptions): string {
  return new Template(source).render(variables, options);
}

describe("variables", () => {
  it("are plain data, of any realm, with and without a prototype", () => {
    const ofAnother: unknown = runInNewContext("({ a: [1, { b: null }] })");
    expect(render("{{ x }}", { x: ofAnother })).toBe("{'a': [1, {'b': None}]}");
    const bare = Object.assign(Object.create(null) as object, { a: true });
    expect(render("{{ x.a }} {{ x is mapping }}", { x: bare })).toBe("True True");
  });

  it("that are undefined are absent, as are such members", () => {
    const message = { role: "user", name: undefined };
    expect(
      render("{{ tools is defined }} {{ m.name is defined }} {{ m }}", { tools: undefined, m: message }),
    ).toBe("False False {'role': 'user'}");
  });

  it("may have any name and key", () => {
    const x: unknown = JSON.parse('{ "__proto__": 1, "constructor": 2 }');
    expect(render("{{ x }} {{ x.__proto__ }} {{ range }}", { x, range: "mine" })).toBe(
      "{'__proto__': 1, 'constructor': 2} 1 mine",
    );
  });

  const circle: unknown[] = [];
  circle.push(circle);

  it.each([
    [{ x: new Date(0) }, "x is of type Date"],
    [{ x: [{ y: new Map() }] }, "x[0].y is of type Map"],
    [{ x: () => 1 }, "x is of type function"],
    [{ x: 1n }, "x is of type bigint"],
    [{ x: [undefined] }, "x[0] is of type undefined"],
    [{ x: new Array(1) }, "x[0] is of type undefined"],
    [{ x: new (class Sample {})() }, "x is of type Sample"],
    [{ x: circle }, "nest too deeply, or hold themselves"],
  ])("are refused where JSON has no such value: %#", (variables, message) => {
    const attempt = () => render("", variables);
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(message);
  });
});

describe("the budget", () => {
  const ROUNDS = "{% for i in range(n) %}{{ i }}{% endfor %}";

  it("is what the option says", () => {
    expect(render(ROUNDS, { n: 100 }, { budget: 1e6 })).toHaveLength(190);
    expect(() => render(ROUNDS, { n: 100 }, { budget: 1e5 })).toThrow(TemplateError);
  });

  it("grows with the variables, unless it is given", () => {
    const source = "{% for c in text %}{% endfor %}";
    const text = "a".repeat(1_000_000);
    expect(() => render(source, { text }, { budget: 1e9 })).toThrow(TemplateError);
    expect(render(source, { text })).toBe("");
  });

  it("has no limit where it is infinite", () => {
    const source = "{% for i in range(99999) %}{% set x = text ~ i %}{% set y = x == x %}{% endfor %}";
    const text = "a".repeat(2000);
    expect(() => render(source, { text })).toThrow(TemplateError);
    expect(render(source, { text }, { budget: Infinity })).toBe("");
  });
});

it("gives `require` what `import` gives", () => {
  const required = createRequire(import.meta.url)("@reward-model-score/jinja") as typeof api;
  expect(Object.keys(required).sort()).toEqual(Object.keys(api).sort());
});
