// The checkpoint in this package's engine, as `load` puts it on the CPU, without a tokenizer: rows are token ids.
import { findLibtorch } from "../../../dist/libtorch/find.js";
import { placeModel } from "../../../dist/device-map/place-model.js";
import { readPlacement } from "../../../dist/device-map/request.js";
import { locateModel } from "../../../dist/model/locate.js";
import { openSource } from "../../../dist/model/sources/open-source.js";
import { listDevices } from "../../../dist/device-map/list-devices.js";
import { loadBinding } from "../../../dist/native/load.js";
import { resolveOptions } from "../../../dist/options.js";

export async function openBinding() {
  return loadBinding((await findLibtorch()).root);
}

/** A row of ids with 0 for everything else that the model reads. */
function fieldsOf(ids, tokenFields = {}) {
  const fields = ["ids", ...Object.keys(tokenFields)].map((name) => [name, new Int32Array(ids.length)]);
  fields[0][1].set(ids);
  return Object.fromEntries(fields);
}

/** @param options those of `RewardModelScore` */
export async function openOnCpu(binding, options) {
  // Limits are for maps that are planned.
  const deviceMap = options.maxMemory ? null : "cpu";
  const resolved = resolveOptions({ deviceMap, ...options });
  const source = await openSource(binding, await locateModel(resolved.model));
  try {
    const { assignment } = await placeModel(
      readPlacement(resolved, undefined),
      source.placeable(resolved.torchDtype),
      resolved,
      { devices: () => listDevices(binding), cudaVisibleDevices: undefined },
    );
    const noTokenizer = { idsOf: () => Promise.resolve(new Int32Array(0)) };
    const model = await source.open(assignment, resolved, noTokenizer, { onProgress: () => {} });
    return { ...model, toRow: (ids) => model.toRow(fieldsOf(ids, source.inputs.tokenFields)) };
  } finally {
    source.close();
  }
}
