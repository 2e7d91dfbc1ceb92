import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { sharedFolder } from "../temporary-folder.js";

// Benchmarks take hours and run by hand: what must not be found out then is that a contender no longer starts.

const demo = "models/demo";
const prompt = Array.from({ length: 64 }, (_, i) => 5 + (i % 40));
const rows = [
  [...prompt, 9, 10, 11],
  [...prompt, 20, 21],
];
const folder = sharedFolder("benchmark");
let rowsFile: string;

beforeAll(() => {
  rowsFile = join(folder, "rows.json");
  writeFileSync(rowsFile, JSON.stringify(rows));
});

function run(contender: string, ...args: string[]): Record<string, unknown> {
  const output = execFileSync(process.execPath, [`scripts/benchmark/contenders/${contender}`, ...args], {
    encoding: "utf8",
  });
  return JSON.parse(output.trim().split("\n").at(-1)!) as Record<string, unknown>;
}

test("the program's contender scores rows and says what it computed", () => {
  const result = run("reward-model-score.mjs", demo, rowsFile, "--dtype", "float32");
  expect(result).toMatchObject({ tokens: 133, computedTokens: 69, savedTokens: 64 });
  expect(run("reward-model-score.mjs", demo, rowsFile, "--dtype", "float32", "--no-sharing")).toMatchObject({
    computedTokens: 133,
    savedTokens: 0,
    scores: result.scores,
  });
});

test("the program's contender scores with a limit to memory", () => {
  const whole = run("reward-model-score.mjs", demo, rowsFile);
  const limited = run("reward-model-score.mjs", demo, rowsFile, "--max-memory", "1400KB");
  expect(limited.scores).toEqual(whole.scores);
  expect(limited.weightBytes).toBeLessThan(whole.weightBytes as number);
});

test("the load's contender reports seconds and memory", () => {
  const { seconds, before, peak } = run("load-reward-model-score.mjs", demo) as Record<string, number>;
  expect(seconds).toBeGreaterThan(0);
  expect(peak).toBeGreaterThanOrEqual(before!);
});

test("the archive's contender scores rows as the program's does", () => {
  const { scores } = run("archive.mjs", join(demo, "model.pt"), rowsFile, "--batch", "2") as {
    scores: number[];
  };
  const { scores: program } = run("reward-model-score.mjs", demo, rowsFile) as { scores: number[] };
  // The archive's contender sorts its rows by length.
  expect(scores.toReversed().map((score, i) => Math.abs(score - program[i]!))).toSatisfy(
    (differences: number[]) => differences.every((difference) => difference < 1e-4),
  );
});
