import { RewardModelScoreError } from "../errors.js";
import { assignMap, assignPlan } from "./assign-map.js";
import { assignReplicas } from "./assign-replicas.js";
import type { Assignment } from "./assignment.js";
import { usableAccelerators, whatIsThere, type Devices } from "./devices.js";
import { ClaimsUnavailable, GpuClaims, physicalGpu, type GpuClaim } from "./gpu-claims.js";
import { isAccelerator } from "./limits.js";
import type { Placeable } from "./placeable.js";
import { isHostOnly, type PlacementRequest } from "./request.js";

/** Which GPUs a model may use, as `RewardModelScoreOptions` explains it. */
export interface GpuOptions {
  cudaDevices?: "auto" | number[] | undefined;
  disableCudaDevicePlacement: boolean;
  /** Whose GPUs they are: what the others are told. */
  model: string;
}

/** What this process sees. */
export interface Surroundings {
  /** Asked only where an accelerator may be used: looking at one takes memory on it. */
  devices: () => Devices;
  /** `CUDA_VISIBLE_DEVICES` */
  cudaVisibleDevices: readonly string[] | undefined;
  claims?: GpuClaims;
}

export interface PlacedModel {
  assignment: Assignment;
  /** Lets others have the GPUs. */
  release: () => Promise<void>;
}

/** Decides where a model goes, and tells the other steps on this host which GPUs it uses. */
export async function placeModel(
  request: PlacementRequest,
  model: Placeable,
  options: GpuOptions,
  { devices: ask, cudaVisibleDevices, claims = new GpuClaims() }: Surroundings,
  signal?: AbortSignal,
): Promise<PlacedModel> {
  if (isHostOnly(request)) {
    const assignment = assignMap(request.map, model, HOST);
    return { assignment, release: async () => {} };
  }
  const all = ask();
  const devices = Array.isArray(options.cudaDevices) ? only(all, options.cudaDevices) : all;
  const gpus = all.accelerators.filter(({ kind }) => kind === "cuda");
  const gpuOf = (name: string) => {
    const index = gpus.findIndex((gpu) => gpu.name === name);
    return index < 0 ? [] : [physicalGpu(index, cudaVisibleDevices)];
  };
  const choose = (others: readonly GpuClaim[]) => {
    const assignment = assign(request, model, options, devices, (name) =>
      others.filter((claim) => gpuOf(name).some((gpu) => claim.gpus.includes(gpu))),
    );
    const used = assignment.replicas.flatMap((replica) => replica.devices);
    return { chosen: assignment, gpus: used.flatMap(gpuOf) };
  };
  if (options.disableCudaDevicePlacement || gpus.length === 0) {
    return { assignment: choose([]).chosen, release: async () => {} };
  }
  try {
    const { chosen, release } = await claims.claim(options.model, choose, signal);
    return { assignment: chosen, release };
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const assignment = choose([]).chosen;
    const warning = `Other steps on this host are not told which GPUs this one uses: ${error.message}.`;
    return {
      assignment: { ...assignment, warnings: [warning, ...assignment.warnings] },
      release: async () => {},
    };
  }
}

/** A folder for temporary files that cannot be written to is no reason not to score. */
function isUnavailable(error: unknown): error is Error {
  return error instanceof ClaimsUnavailable || (error instanceof Error && "syscall" in error);
}

const HOST: Devices = { accelerators: [], cpu: undefined, cudaReason: undefined };

function only(devices: Devices, cudaDevices: readonly number[]): Devices {
  const gpus = devices.accelerators.filter(({ kind }) => kind === "cuda");
  const wanted = cudaDevices.map((index) => gpus[index]);
  if (wanted.includes(undefined)) {
    throw new RewardModelScoreError(
      "ERR_DEVICE_UNAVAILABLE",
      `cudaDevices ${JSON.stringify(cudaDevices)} cannot be used: ${whatIsThere(devices, gpus, "cuda")} ` +
        `Its numbers are indexes of the GPUs that this process sees, from 0 on.`,
      { device: "cuda" },
    );
  }
  return exclude(devices, ({ name }) => !wanted.some((gpu) => gpu!.name === name), "is not in cudaDevices");
}

function exclude(devices: Devices, isOut: (device: { name: string }) => boolean, excluded: string): Devices {
  const accelerators = devices.accelerators.map((device) =>
    !device.excluded && isOut(device) ? { ...device, excluded } : device,
  );
  return { ...devices, accelerators };
}

type ClaimsOf = (device: string) => readonly GpuClaim[];

function assign(
  request: PlacementRequest,
  model: Placeable,
  options: GpuOptions,
  devices: Devices,
  claimsOf: ClaimsOf,
): Assignment {
  const isFree = ({ name }: { name: string }) => claimsOf(name).length === 0;
  const free = picksFree(request, options)
    ? usableAccelerators(devices).filter(({ device }) => isFree(device))
    : [];
  if (free.length === 0) {
    const assignment = assignFrom(request, model, devices);
    return { ...assignment, warnings: [...assignment.warnings, ...sharing(assignment, claimsOf)] };
  }
  const within = (names: readonly string[]) =>
    exclude(devices, ({ name }) => !names.includes(name), "is used by another step");
  const names = free.map(({ device }) => device.name);
  if (!("mode" in request)) return assignFrom(request, model, within(names));
  // As few as hold the model, so that the next step finds some.
  const holds = ({ map }: Assignment) => Object.values(map).every(isAccelerator);
  for (let count = 1; count < names.length; count++) {
    const assignment = assignFrom(request, model, within(names.slice(0, count)));
    if (holds(assignment)) return assignment;
  }
  return assignFrom(request, model, within(names));
}

/** Whether the GPUs are not named, so that they are chosen among those that nobody uses. */
function picksFree(
  request: PlacementRequest,
  { cudaDevices, disableCudaDevicePlacement }: GpuOptions,
): boolean {
  if (disableCudaDevicePlacement || Array.isArray(cudaDevices)) return false;
  if ("map" in request) return request.map[""] === "cuda" && Object.keys(request.map).length === 1;
  if (cudaDevices !== "auto") return false;
  return "mode" in request
    ? ![...(request.limits?.keys() ?? [])].some(isAccelerator)
    : !Array.isArray(request.replicas);
}

function assignFrom(request: PlacementRequest, model: Placeable, devices: Devices): Assignment {
  if ("replicas" in request) return assignReplicas(request.replicas, model, devices);
  if ("map" in request) return assignMap(request.map, model, devices);
  return assignPlan(request.mode, request.limits, model, devices);
}

function sharing({ replicas }: Assignment, claimsOf: ClaimsOf): string[] {
  const used = [...new Set(replicas.flatMap(({ devices }) => devices))];
  return used.flatMap((device) => {
    const others = claimsOf(device).map(({ model, pid }) => `${model} (process ${pid})`);
    return others.length === 0
      ? []
      : [`${device} is used by ${others.join(", ")} too: both may be slow or run out of memory.`];
  });
}
