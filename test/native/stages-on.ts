import type { ProgramOptions, ProgramSpec } from "#lib/native/binding.js";

/** Every stage of a program on one device, but for those that are named. */
export function stagesOn(
  { stages }: Pick<ProgramSpec, "stages">,
  device: string,
  others: Record<string, string> = {},
): Pick<ProgramOptions, "stageDevices" | "executionDevice"> {
  const stageDevices = Object.fromEntries(stages.map(({ name }) => [name, others[name] ?? device]));
  const accelerator = [device, ...Object.values(others)].find((name) => name.startsWith("sim"));
  return { stageDevices, executionDevice: accelerator ?? "cpu" };
}
