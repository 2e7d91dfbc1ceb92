// What every child of the process tests starts with: the binding, and a model that runs for as long as it is told.
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "#lib/libtorch/find.js";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import { loadBinding } from "#lib/native/load.js";

export const binding = await loadBinding((await findLibtorch()).root);

export function load(name, options) {
  const dtypes = computeDtypes("auto", "cpu");
  const path = fileURLToPath(new URL(`../../fixtures/archives/${name}.pt`, import.meta.url));
  return binding.loadArchive({ path, device: "cpu", dtypes, threads: 0, padTokenId: 0, ...options });
}

export function batchOf(...rows) {
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

// slow.pt works for seconds on this one.
export const slowBatch = batchOf([31, 31, 31]);

// And on this one for longer than any test may take: whoever waited for it would be killed.
export const endlessBatch = batchOf(...Array.from({ length: 4000 }, () => new Array(64).fill(31)));

/** So many turns of the event loop: different moments of what happens on other threads. */
export async function turns(count) {
  for (let turn = 0; turn < count; ++turn) await setImmediate();
}
