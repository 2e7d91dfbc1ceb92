// The checkpoint in this package's engine, as `load` puts it on the CPU, without a tokenizer: rows are token ids.
import { findLibtorch } from "../../../dist/libtorch/find.js";
import { placeModel } from "../../../dist/device-map/place-model.js";
import { readPlacement } from "../../../dist/device-map/request.js";
import { locateModel } from "../../../dist/model/locate.js";
import { openCheckpoint, openProgram, placeableProgram } from "../../../dist/model/open-program.js";
import { listDevices } from "../../../dist/native/devices.js";
import { loadBinding } from "../../../dist/native/load.js";
import { resolveOptions } from "../../../dist/options.js";

export async function openBinding() {
  return loadBinding((await findLibtorch()).root);
}

/** @param options those of `RewardModelScore` */
export async function openOnCpu(binding, options) {
  // Limits are for maps that are planned.
  const deviceMap = options.maxMemory ? null : "cpu";
  const resolved = resolveOptions({ deviceMap, ...options });
  const source = await openCheckpoint(binding, await locateModel(resolved.model));
  const program = placeableProgram(source, resolved.torchDtype, binding);
  const { assignment } = await placeModel(readPlacement(resolved, undefined), program, resolved, {
    devices: () => listDevices(binding),
    cudaVisibleDevices: undefined,
  });
  try {
    return await openProgram(
      binding,
      source,
      assignment,
      resolved,
      () => [],
      () => {},
    );
  } finally {
    source.checkpoint.close();
  }
}
