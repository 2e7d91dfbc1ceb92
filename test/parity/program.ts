import { createPooling, type PooledPositions } from "#lib/architectures/pooling.js";
import type { Architecture } from "#lib/architectures/architecture.js";
import { describeArchitecture } from "#lib/architectures/describe.js";
import type { BatchScores, Dtype, NativeBinding, NativeModel, PackedBatch } from "#lib/native/binding.js";
import { encodeMarker, type ArchitectureFixture } from "./fixtures.js";
import { writeCheckpoint, type StoredDtype } from "./tiny-checkpoint.js";
import { stagesOn } from "../native/stages-on.js";

export interface LoadedFixture {
  architecture: Architecture;
  model: NativeModel;
  /** What the head reads of each of the fixture's rows. */
  positions: PooledPositions[];
}

/** Writes the fixture's checkpoint, loads it as the package does, and hands it to `use`. */
export async function withProgram<T>(
  binding: NativeBinding,
  fixture: ArchitectureFixture,
  options: { dtype: Dtype; stored?: StoredDtype; shards?: number },
  use: (loaded: LoadedFixture) => Promise<T>,
): Promise<T> {
  const { files } = writeCheckpoint(fixture, {
    ...(options.stored && { dtype: options.stored }),
    ...(options.shards && { shards: options.shards }),
  });
  const checkpoint = await binding.openCheckpoint(files);
  const architecture = describeArchitecture({ config: fixture.config, tensors: checkpoint.tensors, files });
  const model = await binding.loadProgram(architecture.spec, {
    checkpoint,
    dtype: options.dtype,
    threads: 1,
    ...stagesOn(architecture.spec, "cpu"),
  });
  checkpoint.close();
  try {
    const pool = createPooling(architecture.pooling, encodeMarker(fixture));
    return await use({
      architecture,
      model,
      positions: fixture.rows.map((row) => pool(Int32Array.from(row))),
    });
  } finally {
    await model.dispose();
  }
}

/** Rows one after the other, each a segment of its own, in the order of `members`. */
export function packRows(
  fixture: ArchitectureFixture,
  positions: PooledPositions[],
  members: number[],
): PackedBatch {
  const rows = members.map((row) => fixture.rows[row]!);
  const starts = rows.map((_, i) => rows.slice(0, i).reduce((sum, row) => sum + row.length, 0));
  const place = (kind: keyof PooledPositions) =>
    Int32Array.from(members.flatMap((row, i) => positions[row]![kind].map((at) => starts[i]! + at)));
  return {
    fields: {
      ids: Int32Array.from(rows.flat()),
      ...(fixture.types && { token_types: Int32Array.from(members.flatMap((row) => fixture.types![row]!)) }),
    },
    lengths: Int32Array.from(rows, (row) => row.length),
    parents: Int32Array.from(rows, () => -1),
    rowLengths: Int32Array.from(rows, (row) => row.length),
    pooled: place("pooled"),
    gates: place("gates"),
  };
}

/** The scores of each member of a pack that was made by `packRows`. */
export function scoresByRow(
  result: BatchScores,
  positions: PooledPositions[],
  members: number[],
): Map<number, number[]> {
  const byRow = new Map<number, number[]>();
  let start = 0;
  for (const row of members) {
    const count = positions[row]!.pooled.length * result.labels;
    byRow.set(row, Array.from(result.scores.subarray(start, start + count)));
    start += count;
  }
  return byRow;
}
