import { planPaddedBatches } from "#lib/batching/padded.js";
import { planPacks, type Pack } from "#lib/batching/packed.js";
import type { EncodedRow } from "#lib/batching/row.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { BatchScores, NativeModel, PackedBatch } from "#lib/native/binding.js";

export interface FakeModel extends NativeModel {
  /** The batches that were handed over, and how many were running at once at most. */
  batches: PackedBatch[];
  busiest: number;
  disposed: boolean;
}

/** A model whose score of a row is the row's first id; `fail` decides what becomes of a batch, `work` takes its time. */
export function fakeModel(
  fail: (batch: PackedBatch, count: number) => RewardModelScoreError | undefined = () => undefined,
  work: () => Promise<void> = async () => {},
): FakeModel {
  let running = 0;
  const model: FakeModel = {
    bytes: 100,
    dtype: "float32",
    batches: [],
    busiest: 0,
    disposed: false,
    async forward(batch): Promise<BatchScores> {
      model.batches.push(batch);
      model.busiest = Math.max(model.busiest, ++running);
      const error = fail(batch, model.batches.length);
      await work().finally(() => running--);
      if (error) throw error;
      return { scores: firstIds(batch), labels: 1, extra: {} };
    },
    dispose: () => {
      model.disposed = true;
      return Promise.resolve();
    },
  };
  return model;
}

function firstIds({ fields, lengths }: PackedBatch): Float32Array {
  let at = 0;
  return Float32Array.from(lengths, (length) => {
    const id = fields.ids[at]!;
    at += length;
    return id;
  });
}

export const outOfMemory = () =>
  new RewardModelScoreError("ERR_OUT_OF_MEMORY", "no room", { device: "cuda:0" });
export const broken = () => new RewardModelScoreError("ERR_BACKEND", "it broke", {});

/** A row of `length` tokens that begins with `first`. */
export function row(first: number, length: number): EncodedRow {
  return { fields: { ids: new Int32Array(length).fill(first) }, pooled: [length - 1], gates: [] };
}

/** Packs of rows without padding, and what archives get. */
export const plans: Record<string, (rows: readonly EncodedRow[], budget: number) => Pack[]> = {
  packed: (rows, budget) =>
    planPacks(rows, { budget, sharePrefixes: false, causal: true, ropeClass: () => 0 }),
  padded: (rows, budget) =>
    planPaddedBatches(
      rows.map(({ fields }) => fields.ids.length),
      budget,
      true,
    ).map((members) => {
      const [pack] = planPacks(
        members.map((member) => rows[member]!),
        { budget: Infinity, sharePrefixes: false, causal: true, ropeClass: () => 0 },
      );
      return { ...pack!, rows: members };
    }),
};
