import { describeArchitecture } from "#lib/architectures/describe.js";
import { checkpointTree, type WeightTypes } from "#lib/device-map/checkpoint-tree.js";
import type { Devices } from "#lib/device-map/devices.js";
import { sizeOf } from "#lib/device-map/module-tree.js";
import { placeableStages, type Placeable, type Processor } from "#lib/device-map/placeable.js";
import type { Stage } from "#lib/architectures/stage.js";
import type { Dtype } from "#lib/native/binding.js";
import { readFixture, tensorInfos } from "../parity/fixtures.js";

export const device = (name: string, free: number) => ({
  name,
  kind: name.split(":")[0]!,
  total: 2 * free,
  free,
});

/** A machine with so much free memory on each accelerator. */
export function machineWith(free: number[], kind = "cuda"): Devices {
  return {
    accelerators: free.map((bytes, index) => device(`${kind}:${index}`, bytes)),
    cpu: device("cpu", 64 * 2 ** 30),
    cudaReason: free.length > 0 && kind === "cuda" ? undefined : "this libtorch was built without CUDA",
  };
}

/** The program of a fixture with a dozen layers like its first one, so that there is something to divide. */
export function programOf(
  name: string,
  typesOn: (where: Processor) => WeightTypes = () => same("bfloat16"),
): Placeable & { stages: readonly Stage[]; bytes: (dtype: Dtype) => number } {
  const fixture = readFixture(name);
  const own = tensorInfos(fixture);
  const { spec } = describeArchitecture({ config: fixture.config, tensors: own });
  const stages = spec.stages.flatMap((stage) =>
    stage.name === "model.layers.0" ? deepen(stage) : /layers\.\d/.test(stage.name) ? [] : [stage],
  );
  const tensors = own.flatMap((tensor) =>
    tensor.name.startsWith("model.layers.0.")
      ? deepen(tensor)
      : /layers\.\d/.test(tensor.name)
        ? []
        : [tensor],
  );
  const bytes = (dtype: Dtype) => sizeOf(checkpointTree(stages, tensors, same(dtype)));
  return { ...placeableStages(stages, tensors, typesOn), stages, bytes };
}

/** Linears are kept in the model's own type. */
export function same(dtype: Dtype): WeightTypes {
  return { dtype, linears: dtype };
}

function deepen<T>(layer: T): T[] {
  const text = JSON.stringify(layer);
  return Array.from({ length: 12 }, (_, i) => JSON.parse(text.replaceAll("layers.0", `layers.${i}`)) as T);
}
