import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { strftime } from "#lib/chat/jinja/strftime.js";

/** What scripts/fixtures/strftime.py writes. */
const { formats, cases } = JSON.parse(
  readFileSync(new URL("../fixtures/chat/strftime.json", import.meta.url), "utf8"),
) as {
  formats: string[];
  cases: { date: [number, number, number, number, number, number, number]; texts: string[] }[];
};

it.each(formats.map((format, i) => [format, i] as const))("%j is what Python makes of it", (format, i) => {
  for (const { date, texts } of cases) {
    expect(strftime(new Date(...date), format), date.join(" ")).toBe(texts[i]);
  }
});

it("%s is the time of the machine's own zone, in seconds", () => {
  const date = new Date(2024, 6, 6, 5, 4, 3, 999);
  expect(strftime(date, "%s")).toBe(String((date.getTime() - 999) / 1000));
});
