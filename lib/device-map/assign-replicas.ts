import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "../io/format.js";
import type { DeviceInfo } from "../native/binding.js";
import { assignMap, assignPlan, planProgram } from "./assign-map.js";
import type { Assignment, PlaceableProgram } from "./assignment.js";
import { usableAccelerators, whatIsThere, type Devices } from "./devices.js";
import type { ReplicaOption } from "./request.js";

/**
 * Puts a whole copy of a program on each of several devices: those that are named, or accelerators with room for it.
 *
 * @throws ERR_DEVICE_UNAVAILABLE for fewer devices than asked for
 */
export function assignReplicas(
  replicas: ReplicaOption,
  program: PlaceableProgram,
  devices: Devices,
): Assignment {
  if (Array.isArray(replicas)) return copies(replicas, program, devices);
  const usable = usableAccelerators(devices);
  const roomy = usable.filter(({ device }) => hasRoom(device, program)).map(({ index }) => index);
  if (replicas === "auto") {
    if (usable.length === 0) return copies(["cpu"], program, devices);
    return roomy.length > 0 ? copies(roomy, program, devices) : divided(program, devices);
  }
  if (roomy.length >= replicas) return copies(roomy.slice(0, replicas), program, devices);
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

function copies(
  places: readonly (string | number)[],
  program: PlaceableProgram,
  devices: Devices,
): Assignment {
  const assignments = places.map((device) => assignMap({ "": device }, program, devices));
  const onCpu = assignments.some(({ replicas: [copy] }) => copy!.devices.includes("cpu"));
  return {
    map: assignments[0]!.map,
    // All compute in the same type, so that a score does not depend on which one it came from.
    dtype: program.typesOn(onCpu ? "cpu" : "accelerator").dtype,
    replicas: assignments.flatMap((assignment) => assignment.replicas),
    warnings: [],
  };
}

/** No accelerator has room for the whole model. */
function divided(program: PlaceableProgram, devices: Devices): Assignment {
  const assignment = assignPlan("auto", undefined, program, devices);
  const warning =
    `There are no replicas: none of ${listed(devices)} has room for the whole model. ` +
    `It is divided, as by deviceMap "auto".`;
  return { ...assignment, warnings: [warning, ...assignment.warnings] };
}

/** A device has room where a plan for it alone leaves nothing over. */
function hasRoom({ free }: DeviceInfo, program: PlaceableProgram): boolean {
  const { map } = planProgram("auto", new Map([[0, free]]), program, true);
  return Object.values(map).every((device) => device === 0);
}

function listed(devices: Devices): string {
  return usableAccelerators(devices)
    .map(({ device: { name, free } }) => `${name} (${formatBytes(free)} free)`)
    .join(", ");
}
