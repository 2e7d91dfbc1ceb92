import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sampleRows } from "#lib/bench/sample.js";

function count(total: number): AsyncIterable<number> {
  return Readable.from(Array.from({ length: total }, (_, i) => i));
}

test("an input that is no larger than the sample is all of it", async () => {
  for (const total of [0, 1, 31, 32, 33, 500, 512]) {
    const { rows, total: counted } = await sampleRows(count(total), 512);
    expect(rows).toEqual(Array.from({ length: total }, (_, i) => i));
    expect(counted).toBe(total);
  }
});

test("a sample is blocks of neighbours, in order, and no larger than asked for", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 32, max: 512 }),
      async (total, size) => {
        const { rows, total: counted } = await sampleRows(count(total), size);
        expect(counted).toBe(total);
        expect(rows.length).toBeLessThanOrEqual(size);
        if (total >= size + 32) expect(rows.length).toBeGreaterThan(size - 64);
        const starts = rows.filter((row, i) => row !== rows[i - 1]! + 1);
        expect(starts.every((row) => row % 32 === 0)).toBe(true);
        expect(rows).toEqual([...new Set(rows)].sort((a, b) => a - b));
      },
    ),
  );
});

test("every part of a long input is as likely as another", async () => {
  const { rows } = await sampleRows(count(320_000), 3200);
  const quarters = [0, 1, 2, 3].map((q) => rows.filter((row) => Math.floor(row / 80_000) === q).length);
  // 25 blocks of 32 each are expected; a binomial's standard deviation is 4.3 blocks.
  for (const quarter of quarters) expect(Math.abs(quarter / 32 - 25)).toBeLessThan(4 * 4.4);
});
