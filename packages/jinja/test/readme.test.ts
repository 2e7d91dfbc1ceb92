/** What the README says is there, is there; what it says is not, is an error. Its examples are run by test/docs. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Template } from "@reward-model-score/jinja";

const { names } = JSON.parse(readFileSync(new URL("fixtures/templates.json", import.meta.url), "utf8")) as {
  names: Record<string, string[]>;
};

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const codeIn = (cell: string) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
const rows = [
  ...readme.matchAll(/^\| (tags|filters|tests|functions|methods of \w+) \| (.*) \| ?(.*) ?\|$/gm),
].map(([, kind, there, missing]) => ({ kind: kind!, there: codeIn(there!), missing: codeIn(missing!) }));

/** A template that asks for a name, as it is written for each kind. */
const ASK: Record<string, (name: string) => string> = {
  filters: (name) => `{{ 'a' | ${name} }}`,
  tests: (name) => `{{ 1 is ${name}(1) }}`,
  functions: (name) => `{{ ${name}.x }}`,
  "methods of text": (name) => `{{ 'a'.${name}.x }}`,
  "methods of lists": (name) => `{{ [].${name}.x }}`,
  "methods of dicts": (name) => `{{ {}.${name}.x }}`,
};
/** What Python says of a name that is not there, and nothing else that may be wrong with these templates. */
const UNKNOWN = /^(No (filter|test) named|'\w+' is undefined$|'\w+( object)?' has no (key or )?attribute)/;

function complaint(source: string): string {
  try {
    new Template(source).render();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe.each(rows.filter(({ kind }) => kind !== "tags"))("$kind", ({ kind, there, missing }) => {
  it("are Jinja's and Python's, each there or not", () => {
    expect([...there, ...missing].sort()).toEqual([...names[kind]!].sort());
  });

  it.each(there)("has %s", (name) => {
    expect(complaint(ASK[kind]!(name))).not.toMatch(UNKNOWN);
  });

  it.each(missing)("has no %s", (name) => {
    expect(complaint(ASK[kind]!(name))).toMatch(UNKNOWN);
  });
});

describe("tags", () => {
  const { there, missing } = rows.find(({ kind }) => kind === "tags")!;
  const USE: Record<string, string> = {
    if: "{% if true %}x{% elif false %}{% else %}{% endif %}",
    for: "{% for _ in [1] if true %}x{% else %}{% endfor %}",
    set: "{% set a = 'x' %}{% set b %}{{ a }}{% endset %}{{ b }}",
    macro: "{% macro f(a='x') %}{{ a }}{% endmacro %}{{ f() }}",
    call: "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}",
    filter: "{% filter lower %}X{% endfilter %}",
    raw: "{% raw %}x{% endraw %}",
    break: "{% for _ in [1, 2] %}x{% break %}{% endfor %}",
    continue: "{% for _ in [1] %}x{% continue %}{% endfor %}",
    generation: "{% generation %}x{% endgeneration %}",
  };

  it.each(there)("has %s", (tag) => {
    expect(new Template(USE[tag]!).render()).toBe("x");
  });

  it.each(missing)("has no %s", (tag) => {
    expect(() => new Template(`{% ${tag} 'x' %}`)).toThrow(`Unknown statement type: ${tag}`);
  });
});
