import type { RewardModelScoreOptions } from "../../options.js";
import { planModel } from "../../device-map/assign-map.js";
import { measuredLimits } from "../../device-map/devices.js";
import { expandDeviceMap } from "../../device-map/forms.js";
import { tensorSizes, type ModuleNode } from "../../device-map/module-tree.js";
import { readPlacement } from "../../device-map/request.js";
import type { Boundary, DeviceMap } from "../../device-map/infer.js";
import { RewardModelScoreError } from "../../errors.js";
import { formatBytes } from "../../io/format.js";
import { findLibtorch } from "../../libtorch/find.js";
import { placeableProgram } from "../../model/sources/program.js";
import { readHeaders } from "../../model/read-headers.js";
import type { NativeBinding } from "../../native/binding.js";
import { listDevices } from "../../device-map/list-devices.js";
import { loadBinding } from "../../native/load.js";
import { resolveOptions } from "../../options.js";
import { printable } from "../../printable.js";
import { interruptible } from "../interrupt.js";
import { align } from "../table.js";

export type DeviceMapFlags = Pick<
  RewardModelScoreOptions,
  | "adapter"
  | "deviceMap"
  | "maxMemory"
  | "torchDtype"
  | "revision"
  | "token"
  | "cacheDir"
  | "localFilesOnly"
  | "libtorch"
> & { json?: boolean };

export async function runDeviceMap(
  model: string,
  { json, deviceMap = "auto", ...flags }: DeviceMapFlags,
): Promise<void> {
  const options = resolveOptions({ model, deviceMap, ...flags });
  const request = readPlacement(options, undefined);
  if (!("mode" in request)) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `--device-map ${JSON.stringify(deviceMap)} says where the model goes; there is nothing to plan. Use a mode: ` +
        `auto, balanced, balanced_low_0 or sequential.`,
      { option: "deviceMap" },
    );
  }
  const headers = await interruptible((signal) => readHeaders(options, signal));
  // Limits may be those of another machine, of which no more is known than that.
  const binding = request.limits ? undefined : await loadBinding((await findLibtorch(options.libtorch)).root);
  const limits = request.limits ?? measuredLimits(listDevices(binding!));
  const program = placeableProgram(headers, options.torchDtype, binding ?? anotherMachine);
  const plan = planModel(request.mode, limits, program, request.limits === undefined);
  for (const warning of plan.warnings) process.stderr.write(`Warning: ${printable(warning)}\n`);
  const sizes = sizesOf(plan.map, plan.root);
  const report = { map: plan.map, limits: Object.fromEntries(plan.limits), sizes };
  process.stdout.write(
    json ? `${JSON.stringify(report, undefined, 2)}\n` : printable(describe(report, plan.boundaries)),
  );
}

/** Its CPU may have instructions for every type. */
const anotherMachine: Pick<NativeBinding, "packedDtype"> = { packedDtype: (dtype) => dtype };

/** Bytes under each name of a map, in the order in which the model has them. */
function sizesOf(map: DeviceMap, root: ModuleNode): Record<string, number> {
  const tensors = tensorSizes(root);
  const names = Object.fromEntries(Object.keys(map).map((name) => [name, name]));
  const sizes: Record<string, number> = {};
  for (const [tensor, name] of expandDeviceMap(names, [...tensors.keys()]).devices) {
    sizes[name] = (sizes[name] ?? 0) + tensors.get(tensor)!;
  }
  return sizes;
}

interface Report {
  map: DeviceMap;
  limits: Record<string, number>;
  sizes: Record<string, number>;
}

function describe({ map, limits, sizes }: Report, boundaries: readonly Boundary[]): string {
  const devices = [...new Set([...Object.keys(limits), ...Object.values(map).map(String)])];
  const rows = devices.map((device) => {
    const names = Object.keys(sizes).filter((name) => String(map[name]) === device);
    const used = names.reduce((sum, name) => sum + sizes[name]!, 0);
    const limit = limits[device];
    return [
      device,
      limit === undefined ? "none" : formatBytes(limit),
      formatBytes(used),
      ranges(names).join(", ") || "nothing",
    ];
  });
  const table = align([["device", "limit", "used", "modules"], ...rows]);
  return [...table, ...reasons(boundaries)].map((line) => `${line}\n`).join("");
}

function reasons(boundaries: readonly Boundary[]): string[] {
  const lines = boundaries.map(({ unit, bytes, from, to, used, limit, reserved }) => {
    const kept =
      reserved === 0 ? "" : ` and keeps ${formatBytes(reserved)} free for parts that are offloaded`;
    return (
      `${unit} (${formatBytes(bytes)}) goes to ${to}: ` +
      `${from} holds ${formatBytes(used)} of ${formatBytes(limit)}${kept}.`
    );
  });
  return lines.length === 0 ? [] : ["", ...lines];
}

/** "model.layers.0", "model.layers.1", … as one: "model.layers.0-7" */
function ranges(names: readonly string[]): string[] {
  const runs: { base: string; first: number; last: number }[] = [];
  for (const name of names) {
    const [, base, digits] = /^(.*\.)(\d+)$/.exec(name) ?? [];
    const run = runs.at(-1);
    if (base === undefined) runs.push({ base: name, first: -1, last: -1 });
    else if (run?.base === base && run.last === Number(digits) - 1) run.last++;
    else runs.push({ base, first: Number(digits), last: Number(digits) });
  }
  return runs.map(({ base, first, last }) =>
    first < 0 ? base || "everything" : `${base}${first}${last > first ? `-${last}` : ""}`,
  );
}
