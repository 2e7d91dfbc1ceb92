import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Template } from "@reward-model-score/jinja";

/** What scripts/fixtures/strftime.py writes. */
const { formats, cases } = JSON.parse(
  readFileSync(new URL("fixtures/strftime.json", import.meta.url), "utf8"),
) as {
  formats: string[];
  cases: { date: [number, number, number, number, number, number, number]; texts: string[] }[];
};

const template = new Template("{{ strftime_now(format) }}");

function strftime(date: Date, format: string): string {
  return template.render({ format }, { now: () => date });
}

it.each(formats.map((format, i) => [format, i] as const))("%j is what Python makes of it", (format, i) => {
  for (const { date, texts } of cases) {
    expect(strftime(new Date(...date), format), date.join(" ")).toBe(texts[i]);
  }
});

it("%s is the time of the machine's own zone, in seconds", () => {
  const date = new Date(2024, 6, 6, 5, 4, 3, 999);
  expect(strftime(date, "%s")).toBe(String((date.getTime() - 999) / 1000));
});
