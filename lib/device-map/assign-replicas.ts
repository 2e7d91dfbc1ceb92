import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "../io/format.js";
import type { DeviceInfo } from "../native/binding.js";
import { assignMap, assignPlan, planModel } from "./assign-map.js";
import type { Assignment } from "./assignment.js";
import { usableAccelerators, whatIsThere, type Devices } from "./devices.js";
import type { Placeable } from "./placeable.js";
import type { ReplicaOption } from "./request.js";

/**
 * Puts a whole copy of a model on each of several devices: those that are named, or accelerators with room for it.
 *
 * @throws ERR_DEVICE_UNAVAILABLE for fewer devices than asked for
 */
export function assignReplicas(replicas: ReplicaOption, model: Placeable, devices: Devices): Assignment {
  if (Array.isArray(replicas)) return copies(replicas, model, devices);
  const usable = usableAccelerators(devices);
  const roomy = usable.filter(({ device }) => hasRoom(device, model)).map(({ index }) => index);
  if (replicas === "auto") {
    if (usable.length === 0) return copies(["cpu"], model, devices);
    return roomy.length > 0 ? copies(roomy, model, devices) : divided(model, devices);
  }
  if (roomy.length >= replicas) return copies(roomy.slice(0, replicas), model, devices);
  const found =
    usable.length < replicas
      ? whatIsThere(devices, devices.accelerators, undefined)
      : `of ${listed(devices)}, ${roomy.length || "none"} has it.`;
  throw new RewardModelScoreError(
    "ERR_DEVICE_UNAVAILABLE",
    `replicas: ${replicas} needs that many accelerators with room for the whole model: ${found} ` +
      `Ask for fewer, or leave replicas out and set deviceMap to "auto", which divides the model.`,
    { device: "accelerator" },
  );
}

function copies(places: readonly (string | number)[], model: Placeable, devices: Devices): Assignment {
  const assignments = places.map((device) => assignMap({ "": device }, model, devices));
  const onCpu = assignments.some(({ replicas: [copy] }) => copy!.devices.includes("cpu"));
  return {
    map: assignments[0]!.map,
    // All compute in the same type, so that a score does not depend on which one it came from.
    dtype: model.dtypeOn(onCpu ? "cpu" : "accelerator"),
    replicas: assignments.flatMap((assignment) => assignment.replicas),
    warnings: [],
  };
}

/** No accelerator has room for the whole model. */
function divided(model: Placeable, devices: Devices): Assignment {
  const assignment = assignPlan("auto", undefined, model, devices);
  const warning =
    `There are no replicas: none of ${listed(devices)} has room for the whole model. ` +
    `It is divided, as by deviceMap "auto".`;
  return { ...assignment, warnings: [warning, ...assignment.warnings] };
}

/** A device has room where a plan for it alone leaves nothing over. */
function hasRoom({ free }: DeviceInfo, model: Placeable): boolean {
  const { map } = planModel("auto", new Map([[0, free]]), model, true);
  return Object.values(map).every((device) => device === 0);
}

function listed(devices: Devices): string {
  return usableAccelerators(devices)
    .map(({ device: { name, free } }) => `${name} (${formatBytes(free)} free)`)
    .join(", ");
}
