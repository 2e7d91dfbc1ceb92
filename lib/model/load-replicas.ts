import type { ReplicaPlacement } from "../device-map/assignment.js";
import type { NativeModel } from "../native/binding.js";
import { Replicas } from "../scoring/replicas.js";

/**
 * Loads all copies of a model at once, each on its devices. When one cannot be loaded, none is.
 *
 * @param onProgress the share of all copies' weights that is in place
 */
export async function loadReplicas(
  placements: readonly ReplicaPlacement[],
  onProgress: (fraction: number) => void,
  load: (placement: ReplicaPlacement, report: (fraction: number) => void) => Promise<NativeModel>,
): Promise<Replicas> {
  const fractions = placements.map(() => 0);
  const loads = await Promise.allSettled(
    placements.map((placement, i) =>
      load(placement, (fraction) => {
        fractions[i] = fraction;
        onProgress(fractions.reduce((sum, part) => sum + part, 0) / fractions.length);
      }),
    ),
  );
  const models = loads.flatMap((load) => (load.status === "fulfilled" ? [load.value] : []));
  const failed = loads.find((load) => load.status === "rejected");
  if (failed) {
    await Promise.all(models.map((model) => model.dispose()));
    throw failed.reason;
  }
  return new Replicas(models.map((native, i) => ({ devices: placements[i]!.devices, native })));
}
