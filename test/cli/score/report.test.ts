import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { InputRow } from "#lib/cli/score/rows.js";
import { ScoreReport } from "#lib/cli/score/report.js";

let told: string;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  told = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const row = (line: number, fraction?: number): InputRow => ({
  line,
  row: {},
  text: "{}",
  malformed: undefined,
  fraction,
});

/** A file of `total` rows, of which a window is read; packs of `size` rows take ten seconds each. */
function run(total: number, window: number, packs: number, size: number): ScoreReport {
  const report = new ScoreReport();
  vi.advanceTimersByTime(30_000); // the model is loaded
  report.loaded();
  for (let i = 1; i <= window; i++) report.read(row(i, i / total));
  for (let pack = 1; pack <= packs; pack++) {
    vi.advanceTimersByTime(10_000);
    report.scoring({
      rows: pack * size,
      tokens: pack * 1000,
      savedTokens: 0,
      truncatedRows: 0,
      truncatedTokens: 0,
    });
  }
  return report;
}

it("makes no estimate before there is something to make it of", () => {
  run(1000, 512, 3, 50);
  expect(told).not.toContain("left");
  expect(told.split("\n")[0]).toBe("5% 5 rows/s, 100 tokens/s");
});

it("estimates by all rows that are done, whatever row is first to come out", () => {
  const report = run(1000, 512, 5, 50);
  expect(told).toContain("20% 5 rows/s, 100 tokens/s, 2 min 40 s left\n");
  expect(told).toContain("25% 5 rows/s, 100 tokens/s, 2 min 30 s left\n");
  told = "";
  vi.advanceTimersByTime(10_000);
  report.row(row(1, 0.001), undefined);
  expect(told).toBe("25% 4.2 rows/s, 83 tokens/s, 3 min 0 s left\n");
});

it("tells no speed of rows that have no score, and of no rows that there are none", () => {
  const report = run(2, 2, 0, 0);
  vi.advanceTimersByTime(2_000);
  for (const line of [1, 2]) report.row(row(line, line / 2), "ERR_INVALID_ROWS: \u001b[2J has no columns");
  expect(told).toContain("line 1: ERR_INVALID_ROWS: \\u001b[2J has no columns\n");
  expect(told).toContain("0 rows/s");
  told = "";
  report.finish();
  expect(told).toBe("Scored 0 rows in 2.0 s\nWithout a score, with an error instead: 2 rows\n");
  told = "";
  new ScoreReport().finish();
  expect(told).toBe("The input has no rows.\n");
});
