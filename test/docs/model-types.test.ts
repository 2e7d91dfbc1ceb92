/** Every model type that transformers has a classifier for is built in, or docs/models.md says that it is not. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { families } from "#lib/architectures/families/index.js";

// Recorded from transformers by scripts/fixtures/architectures/registry.py.
const { classes } = JSON.parse(readFileSync("test/fixtures/sequence-classifiers.json", "utf8")) as {
  classes: Record<string, string>;
};
const builtIn = new Map(
  families.flatMap(({ classNames, modelTypes }) =>
    modelTypes.map((type, i): [string, string] => [type, classNames[i]!]),
  ),
);
const markdown = readFileSync("docs/models.md", "utf8");

it("lists those that are not built in, each once, and no other", () => {
  const [, section = ""] = /^## Not built in$(.*?)^## /ms.exec(markdown) ?? [];
  const listed = [...section.matchAll(/^- .*$/gm)].flatMap(([line]) =>
    [...line.matchAll(/`([^`]+)`/g)].map(([, type]) => type!),
  );
  expect(listed.sort()).toEqual(
    Object.keys(classes)
      .filter((type) => !builtIn.has(type))
      .sort(),
  );
});

it("has a class in its tables for every type that is built in", () => {
  const tables = [...markdown.matchAll(/^\|.*\|$/gm)].join("\n");
  for (const [type, name] of builtIn) {
    // Of InternLM2, transformers has no classifier.
    const registered = classes[type];
    if (registered === undefined) expect(type).toBe("internlm2");
    else {
      expect(`${name}ForSequenceClassification`, type).toBe(registered);
      expect(tables).toContain(`\`${registered}\``);
    }
  }
});
