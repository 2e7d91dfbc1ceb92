import { type Command, InvalidArgumentError } from "commander";
import type { RewardModelScoreOptions } from "../options.js";
import { parseJsonObject, parsePairs, parsePositive } from "./parse.js";

/** The options that say where a model goes, as commander hands them over. */
export type DeviceFlags = Pick<
  RewardModelScoreOptions,
  "deviceMap" | "maxMemory" | "replicas" | "cudaDevices" | "disableCudaDevicePlacement"
>;

export function addDeviceOptions(command: Command): Command {
  return addMapOptions(command, "cpu")
    .option(
      "--replicas <devices>",
      "the whole model on several devices: auto, a number, or names like cuda:0,cuda:1",
      parseReplicas,
    )
    .option("--cuda-devices <indexes>", "GPUs that may be used: auto, or indexes like 0,1", parseCudaDevices)
    .option("--disable-cuda-device-placement", "do not heed which GPUs your other steps on this host use");
}

/** @param byDefault what no --device-map means */
export function addMapOptions(command: Command, byDefault: string): Command {
  return command
    .option(
      "--device-map <map>",
      `device, index, mode (auto, balanced, balanced_low_0, sequential), or JSON like {"": "cpu"} ` +
        `(default: ${byDefault})`,
      parseDeviceMap,
    )
    .option("--max-memory <limits>", "limits to plan a map with, like 0=10GiB,cpu=30GiB", parseLimits);
}

function parseDeviceMap(value: string): NonNullable<RewardModelScoreOptions["deviceMap"]> {
  return value.startsWith("{") ? parseJsonObject(value) : parseDevice(value);
}

function parseDevice(value: string): string | number {
  return /^-?\d+$/.test(value) ? Number(value) : value;
}

/** A size without a unit is a number of bytes. */
function parseLimits(
  value: string,
  previous: Record<string, string | number> = {},
): Record<string, string | number> {
  const limits = Object.entries(parsePairs(value)).map(([device, size]) => [device, parseDevice(size)]);
  return { ...previous, ...(Object.fromEntries(limits) as Record<string, string | number>) };
}

function parseReplicas(value: string): NonNullable<RewardModelScoreOptions["replicas"]> {
  if (value === "auto") return value;
  if (/^\d+$/.test(value)) return parsePositive(value);
  return value.split(",").map(parseDevice);
}

function parseCudaDevices(value: string): "auto" | number[] {
  if (value === "auto") return value;
  const indexes = value.split(",");
  if (!indexes.every((index) => /^\d+$/.test(index)))
    throw new InvalidArgumentError('Use "auto", or indexes with commas between them.');
  return indexes.map(Number);
}
