import type { Devices } from "./devices.js";
import type { NativeBinding } from "../native/binding.js";

/** What libtorch can compute on, and why CUDA is not among it. */
export function listDevices(binding: NativeBinding): Devices {
  const devices = binding.devices();
  return {
    accelerators: devices.filter(({ kind }) => kind !== "cpu"),
    cpu: devices.find(({ kind }) => kind === "cpu"),
    cudaReason: binding.runtimeInfo().cuda.reason,
  };
}
