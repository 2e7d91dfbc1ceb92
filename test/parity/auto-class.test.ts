import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { openBinding } from "../native/archives.js";
import { readFixture, type ArchitectureFixture } from "./fixtures.js";
import { packRows, withProgram } from "./program.js";

/** What scripts/fixtures/architectures/auto_class.py writes: another fixture with changes. */
interface AutoClassCase {
  name: string;
  base: string;
  /** Keys of config.json; null takes one away. */
  config?: Record<string, unknown>;
  /** Shapes of further tensors. */
  tensors?: Record<string, number[]>;
  /** The beginning of names that gives way to another. */
  renamed?: [old: string, now: string];
  /** null where transformers does not load it as it is. */
  scores: number[][] | null;
}

const { rows, cases } = JSON.parse(
  readFileSync(new URL("../fixtures/auto-class.json", import.meta.url), "utf8"),
) as { rows: number[]; cases: AutoClassCase[] };

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

function changed({ base, config, tensors = {}, renamed = ["", ""] }: AutoClassCase): ArchitectureFixture {
  const fixture = readFixture(base);
  const [old, now] = renamed;
  const own = Object.entries(fixture.tensors).map(
    ([name, recipe]) => [name.startsWith(old) ? now + name.slice(old.length) : name, recipe] as const,
  );
  const further = Object.entries(tensors).map(([name, shape]) => [name, [shape, 0, 5]] as const);
  return {
    ...fixture,
    config: { ...fixture.config, ...config },
    tensors: Object.fromEntries([...own, ...further]) as ArchitectureFixture["tensors"],
    rows: rows.map((row) => fixture.rows[row]!),
  };
}

describe("what AutoModelForSequenceClassification makes of a folder is what is scored", () => {
  it.each(cases.filter(({ scores }) => scores !== null))("$name", async ({ scores, ...given }) => {
    const fixture = changed({ scores, ...given });
    await withProgram(binding, fixture, { dtype: "float32" }, async ({ model, positions }) => {
      const members = [...rows.keys()];
      const { scores: actual } = await model.forward(packRows(fixture, positions, members));
      for (const [row, expected] of scores!.entries()) expect(actual[row]).toBeCloseTo(expected[0]!, 4);
    });
  });

  it.each(cases.filter(({ scores }) => scores === null))("$name: refused", async (given) => {
    const error: unknown = await withProgram(binding, changed(given), { dtype: "float32" }, () => {
      throw new Error("it was loaded");
    }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RewardModelScoreError);
  });
});
