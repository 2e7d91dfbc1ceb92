import { RewardModelScoreError } from "../errors.js";
import type { Dtype } from "../native/binding.js";
import type { FindDevice } from "./devices.js";
import type { GivenMap } from "./forms.js";
import { isAccelerator } from "./limits.js";
import type { Placeable, Processor } from "./placeable.js";

/** A TorchScript archive, whose graph is on one device. What it consists of nobody knows, but how many bytes it takes. */
export function placeableWhole(
  dtypeOn: (where: Processor) => Dtype,
  bytesOn: (where: Processor) => number,
): Placeable {
  return {
    dtypeOn,
    modulesOn: (where) => {
      const module = { noSplit: false, parameters: [], buffers: [], children: [] };
      const parameters = [{ name: "weights", bytes: bytesOn(where) }];
      return { ...module, name: "", children: [{ ...module, name: "archive", parameters }] };
    },
    place: (map, find) => {
      const device = oneDevice(map, find);
      return {
        map: { "": device },
        stages: { "": device },
        executionDevice: isAccelerator(device) ? device : "cpu",
        warnings: [],
      };
    },
  };
}

/** Whatever the names in the map: a graph has none. */
function oneDevice(map: GivenMap, find: FindDevice): string {
  const [device, ...others] = new Set(Object.values(map).map(find));
  if (device === undefined) {
    const message = `deviceMap gives no device for the archive. Name one, as in {"": "cpu"}.`;
    throw new RewardModelScoreError("ERR_INVALID_OPTION", message, { option: "deviceMap" });
  }
  if (others.length === 0) return device;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `deviceMap divides a TorchScript archive between ${[device, ...others].join(", ")}. The graph of an archive runs on ` +
      `one device as a whole: name that one. The model's weights, where their architecture is built in, and what ` +
      `"reward-model-score export" makes of them can be divided.`,
    { feature: "an archive on several devices" },
  );
}
