import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { BenchResult } from "#lib/bench/bench.js";
import { runCli } from "./run-cli.js";
import { sharedFolder } from "../temporary-folder.js";

const folder = sharedFolder("bench");
let rows: string;

beforeAll(() => {
  rows = join(folder, "rows.jsonl");
  const lines = Array.from({ length: 200 }, (_, i) =>
    JSON.stringify({
      instruction: `How much is ${i >> 2}+1?`,
      response: `${"It is easy. ".repeat(i % 4)}${i}`,
    }),
  );
  writeFileSync(rows, `${lines.join("\n")}\n{"instruction": "no response"}\nnot JSON\n`);
});

describe("bench", () => {
  it("measures the model on a sample and recommends a budget", async () => {
    const { status, stdout, stderr } = await runCli([
      ...["bench", rows, "--model", "demo", "--sample", "64", "--seconds", "1", "--json"],
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const result = JSON.parse(stdout) as BenchResult;
    expect(result.rows).toMatchObject({ total: 202, sampled: 64, truncated: 0 });
    expect(result.lengths.rows).toBe(64 - result.rows.unreadable);
    expect(result.lengths.min).toBeLessThanOrEqual(result.lengths.median);
    expect(result.budgets.map(({ maxBatchTokens }) => maxBatchTokens)).toContain(
      result.recommended.maxBatchTokens,
    );
    expect(result.recommended.flopsPerSecond).toBeGreaterThan(0);
    expect(result.ceilingFlopsPerSecond).toBeGreaterThan(0);
    expect(result.secondsForAll).toBeGreaterThan(0);
  });

  it("prints a table, measures only the budget that is given, and says what cannot be scored", async () => {
    const { status, stdout } = await runCli([
      ...["bench", rows, "--model", "demo", "--seconds", "1", "--max-batch-tokens", "256"],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^202 rows, 202 sampled, 2 of them cannot be scored\n/);
    expect(stdout.match(/^256 .* %/gm)).toHaveLength(1);
    expect(stdout).toMatch(/With --max-batch-tokens 256, all 202 rows take about /);
  });

  it.each([
    ["", /ERR_INVALID_ROWS.*has no rows/],
    ["not JSON\n", /ERR_INVALID_ROWS.*line 1 is not a JSON object/],
    ['{"instruction": "a"}\n', /ERR_INVALID_ROWS.*None of the 1 sampled rows can be scored/],
  ])("%j is an error", async (text, message) => {
    const file = join(folder, "bad.jsonl");
    writeFileSync(file, text);
    const { status, stdout, stderr } = await runCli(["bench", file, "--model", "demo", "--seconds", "1"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });
});
