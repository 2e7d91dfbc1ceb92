import { RewardModelScoreError } from "../errors.js";
import { readDeviceMap, requireDevice, type GivenMap, type Mode } from "./forms.js";
import { readLimits, type Limits } from "./limits.js";

/** The options that say where a model goes, as `RewardModelScoreOptions` explains them. */
export interface DeviceOptions {
  deviceMap: string | number | GivenMap | null;
  maxMemory?: Record<string, string | number> | undefined;
  replicas?: ReplicaOption | undefined;
  cudaDevices?: "auto" | number[] | undefined;
}

export type ReplicaOption = "auto" | number | (string | number)[];

/** What those options ask for: a given map, one that is to be planned, or the whole model on each of some devices. */
export type PlacementRequest =
  { map: GivenMap } | { mode: Mode; limits: Limits | undefined } | { replicas: ReplicaOption };

/**
 * @param localRank see `readDeviceMap`
 * @throws ERR_INVALID_OPTION, also for options that contradict each other
 */
export function readPlacement(options: DeviceOptions, localRank: number | undefined): PlacementRequest {
  const request = readRequest(options, localRank);
  if (Array.isArray(options.cudaDevices) && isHostOnly(request)) {
    throw invalid(
      "cudaDevices",
      `cudaDevices ${JSON.stringify(options.cudaDevices)} has no effect where nothing is put on an accelerator. ` +
        `Set deviceMap to "cuda" or "auto", or replicas to "auto"; or leave cudaDevices out.`,
    );
  }
  return request;
}

/** True for maps that need no accelerator, so that none has to be asked for. */
export function isHostOnly(request: PlacementRequest): request is { map: GivenMap } {
  return (
    "map" in request && Object.values(request.map).every((device) => device === "cpu" || device === "disk")
  );
}

function readRequest(
  { deviceMap, maxMemory, replicas }: DeviceOptions,
  localRank: number | undefined,
): PlacementRequest {
  const limits = maxMemory && readLimits(maxMemory);
  if (replicas !== undefined) {
    requireReplicasAlone(deviceMap, maxMemory);
    return { replicas: readReplicas(replicas) };
  }
  // Limits are what somebody wants to be planned with: transformers ignores them without a mode.
  if (deviceMap === null && limits) return { mode: "auto", limits };
  const request = readDeviceMap(deviceMap, localRank);
  if ("mode" in request) return { ...request, limits };
  if (limits) {
    throw invalid(
      "maxMemory",
      `maxMemory has no effect with deviceMap ${JSON.stringify(deviceMap)}: limits are for maps that are planned. ` +
        `Set deviceMap to "auto" or another mode, or leave one of the two out.`,
    );
  }
  return request;
}

function requireReplicasAlone(
  deviceMap: DeviceOptions["deviceMap"],
  maxMemory: DeviceOptions["maxMemory"],
): void {
  const [option, value] = deviceMap === null ? ["maxMemory", maxMemory] : ["deviceMap", deviceMap];
  if (value === undefined) return;
  throw invalid(
    "replicas",
    `replicas and ${option} ${JSON.stringify(value)} contradict each other: every replica is the whole model on one ` +
      `device, and ${option} says how one model is put on devices. Leave one of the two out.`,
  );
}

function readReplicas(replicas: ReplicaOption): ReplicaOption {
  if (!Array.isArray(replicas)) return replicas;
  if (new Set(replicas).size < replicas.length) {
    throw invalid("replicas", `replicas ${JSON.stringify(replicas)} names a device twice.`);
  }
  for (const device of replicas) {
    if (device === "disk") {
      throw invalid("replicas", `replicas ${JSON.stringify(replicas)}: nothing is computed on "disk".`);
    }
    requireDevice(device, "replicas", replicas);
  }
  return replicas;
}

function invalid(option: string, message: string): RewardModelScoreError {
  return new RewardModelScoreError("ERR_INVALID_OPTION", message, { option });
}
