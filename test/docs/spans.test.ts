/** What is written as code within the lines of the documentation is taken by what it is meant for. */
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { spans } from "./blocks.js";
import { accept, commandWith, optionOf, OPTIONS, parse } from "./command-line.js";

const written = spans();

/** A literal of JavaScript or JSON, or undefined for any other text. */
function literal(code: string): { value: unknown } | undefined {
  if (!/^([{["]|-?\d+$|true$|false$|null$)/.test(code)) return undefined;
  return { value: runInNewContext(`(${code})`) as unknown };
}

describe("values of options", () => {
  const named = written.flatMap(({ at, code }) => {
    const [, name, value] = /^(\w+): (.+)$/.exec(code) ?? [];
    return name !== undefined && OPTIONS.includes(name) ? [{ code, at, names: [name], value: value! }] : [];
  });
  const listed = written
    .filter(
      ({ row, code }) => !row.includes(code) && row.length > 0 && row.every((name) => OPTIONS.includes(name)),
    )
    .map(({ at, code, row }) => ({ code, at, names: row, value: code }));
  const values = [...named, ...listed].filter(({ value }) => literal(value));

  it("are found", () => {
    expect(named.length).toBeGreaterThan(10);
    expect(listed.length).toBeGreaterThan(10);
  });

  it.each(values)("are taken: $code, $at", ({ names, value }) => {
    const refusals = names.map((name) => {
      try {
        accept({ [name]: literal(value)!.value });
        return undefined;
      } catch (error) {
        return String(error);
      }
    });
    // A row of a table that is about two options has the values of both.
    expect(refusals.includes(undefined), String(refusals)).toBe(true);
  });
});

describe("the command line", () => {
  const flags = written.flatMap(({ at, code, row }) => {
    const [, flag, value] = /^(--[\w-]+)[ =]([^<].*)$/.exec(code) ?? [];
    if (flag !== undefined) return [{ code, at, flag, value: value! }];
    const inRow = row.find((cell) => cell.startsWith("--"));
    const isValue = /^(\{.*\}|[\w.]+=[\w.]+(,[\w.]+=[\w.]+)*)$/.test(code);
    return inRow !== undefined && isValue ? [{ code, at, flag: inRow, value: code }] : [];
  });
  const ours = flags.filter(({ flag }) => commandWith(flag));

  it("is found", () => {
    expect(ours.map(({ flag }) => flag)).toEqual(expect.arrayContaining(["--max-memory", "--device-map"]));
  });

  it.each(ours)("takes $flag $value, $at", ({ flag, value }) => {
    const command = commandWith(flag)!;
    const model = optionOf(command, "--model") && flag !== "--model" ? ["--model", "demo"] : [];
    parse([command.name(), ...command.registeredArguments.map(() => "x"), ...model, flag, value]);
  });

  const COMMAND =
    /^([A-Z_]+=\S+ )*(npx )?(reward-model-score )?(setup|doctor|cache|download|export|device-map|score|bench) [-<[a-z]/;

  it.each(written.filter(({ code }) => COMMAND.test(code)))("has $code, $at", ({ code }) => {
    const words = code.replace(/^([A-Z_]+=\S+ )*(npx )?(reward-model-score )?/, "").split(/\s+/);
    const model = /^(score|bench)$/.test(words[0]!) && !words.includes("--model") ? ["--model", "demo"] : [];
    parse([...words, ...model]);
  });

  it.each(written.filter(({ code }) => code.startsWith("npm run ")))("has $code, $at", ({ code }) => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(Object.keys(scripts)).toContain(code.split(" ")[2]);
  });
});
