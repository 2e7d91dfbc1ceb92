import { expect, it } from "vitest";
import { assignMap, assignPlan } from "#lib/device-map/assign-map.js";
import type { GivenMap } from "#lib/device-map/forms.js";
import { placeableWhole } from "#lib/device-map/placeable-whole.js";
import { machineWith } from "./machines.js";

const MIB = 2 ** 20;

/** Twice as large on the CPU. */
const whole = placeableWhole(
  (where) => (where === "cpu" ? "float32" : "bfloat16"),
  (where) => (where === "cpu" ? 200 : 100) * MIB,
);
const machine = machineWith([150 * MIB, 500 * MIB]);
const assign = (map: GivenMap) => assignMap(map, whole, machine);

it.each([
  [{ "": "cpu" }, "cpu", "cpu", "float32"],
  [{ "": 1 }, 1, "cuda:1", "bfloat16"],
  [{ "": "disk" }, "disk", "cpu", "float32"],
  [{ model: "cuda:1", nothing: 1 }, 1, "cuda:1", "bfloat16"],
] as const)("goes where all names of %j say", (map, device, executionDevice, dtype) => {
  const { replicas, ...assignment } = assign(map);
  expect(assignment).toEqual({ map: { "": device }, dtype, warnings: [] });
  expect(replicas).toMatchObject([{ devices: [executionDevice], executionDevice }]);
});

it("is not divided", () => {
  expect(() => assign({ "": 0, score: "cpu" })).toThrow(
    expect.objectContaining({
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringContaining("between cuda:0, cpu") as string,
    }),
  );
});

it("needs a device", () => {
  expect(() => assign({})).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_OPTION", details: { option: "deviceMap" } }),
  );
});

it.each([
  [[[0, 120]], 0],
  [[[0, 90], [1, 120]], 1], // prettier-ignore
  [[[0, 90], ["cpu", 250]], "cpu"], // prettier-ignore
  [[[0, 90], ["cpu", 150]], "disk"], // prettier-ignore
  [[["cpu", 250]], "cpu"],
  [[["cpu", 150]], "disk"],
] as const)("is planned with limits %j by its size where it would compute", (limits, device) => {
  const bytes = new Map(limits.map(([name, mebibytes]) => [name, mebibytes * MIB]));
  expect(assignPlan("sequential", bytes, whole, machine).map).toEqual({ "": device });
});
