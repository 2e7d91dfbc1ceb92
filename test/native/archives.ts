/** The tiny archives of scripts/fixtures/archives.py and what they must return. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import { findLibtorch } from "#lib/libtorch/find.js";
import type { ArchiveOptions, Dtype, NativeBinding, PackedBatch } from "#lib/native/binding.js";
import { loadBinding } from "#lib/native/load.js";

export function archivePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/archives/${name}`, import.meta.url));
}

export const expected = JSON.parse(readFileSync(archivePath("expected.json"), "utf8")) as {
  rows: number[][];
  scores: number[][];
  labels: number[][];
  bfloat16InFloat32: number[][];
};

export async function openBinding(): Promise<NativeBinding> {
  return await loadBinding((await findLibtorch()).root);
}

/** A dtype stands for what it makes of every type of weights. */
export type ArchiveChoices = Partial<ArchiveOptions> & { dtype?: Dtype | "auto" };

export function archiveOptions(
  name: string,
  { dtype = "auto", ...options }: ArchiveChoices = {},
): ArchiveOptions {
  const device = options.device ?? "cpu";
  const dtypes = computeDtypes(dtype, device === "cpu" ? "cpu" : "accelerator");
  return { path: archivePath(name), device, dtypes, threads: 0, padTokenId: 0, ...options };
}

export function batchOf(rows: number[][]): PackedBatch {
  const lengths = Int32Array.from(rows, (row) => row.length);
  return {
    fields: { ids: Int32Array.from(rows.flat()) },
    lengths,
    parents: new Int32Array(rows.length).fill(-1),
    rowLengths: lengths,
    pooled: new Int32Array(),
    gates: new Int32Array(),
  };
}

/** @param tolerance of each score, or of 1 where it is smaller */
export function expectClose(found: ArrayLike<number>, wanted: number[], tolerance = 1e-5): void {
  expect(found).toHaveLength(wanted.length);
  Array.from(found).forEach((score, index) =>
    expect(Math.abs(score - wanted[index]!), `score ${index}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(wanted[index]!)),
    ),
  );
}
