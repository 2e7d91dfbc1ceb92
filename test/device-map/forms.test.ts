import { describe, expect, it } from "vitest";
import { expandDeviceMap, readDeviceMap, requireCoverage } from "#lib/device-map/forms.js";
import { readLimits } from "#lib/device-map/limits.js";
import { parseMemorySize } from "#lib/device-map/memory-size.js";

describe("readDeviceMap", () => {
  it.each([
    [null, { map: { "": "cpu" } }],
    ["cpu", { map: { "": "cpu" } }],
    ["cuda", { map: { "": "cuda:2" } }],
    ["cuda:1", { map: { "": "cuda:1" } }],
    [3, { map: { "": 3 } }],
    ["auto", { mode: "auto" }],
    ["balanced_low_0", { mode: "balanced_low_0" }],
    [{ "model.layers.0": 1, "": "disk" }, { map: { "model.layers.0": 1, "": "disk" } }],
  ])("reads %j", (given, expected) => {
    expect(readDeviceMap(given, 2)).toEqual(expected);
  });

  it("leaves open which GPU is meant where no launcher says it", () => {
    expect(readDeviceMap("cuda", undefined)).toEqual({ map: { "": "cuda" } });
  });

  it.each([[-1], [0.5], ["gpu"], ["cuda:x"], [{ "": "tpu" }], [{ a: -2 }]])("refuses %j", (given) => {
    expect(() => readDeviceMap(given as never, undefined)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});

describe("expandDeviceMap", () => {
  it("takes the longest dotted prefix, never a mere beginning of a name", () => {
    const { devices } = expandDeviceMap({ "model.layers.1": 1, model: 0 }, [
      "model.layers.1.w",
      "model.layers.10.w",
    ]);
    expect([...devices.values()]).toEqual([1, 0]);
  });

  it("reports tensors without a device and names without a tensor", () => {
    const { uncovered, unknown } = expandDeviceMap({ "model.norm": 0, "model.nrom": 0 }, [
      "model.norm.weight",
      "score.weight",
    ]);
    expect({ uncovered, unknown }).toEqual({ uncovered: ["score.weight"], unknown: ["model.nrom"] });
    expect(() => requireCoverage(uncovered)).toThrow(/score\.weight/);
  });

  it("covers everything by the empty name", () => {
    expect(expandDeviceMap({ "": "cpu" }, ["a.b", "c"])).toMatchObject({ uncovered: [], unknown: [] });
  });
});

describe("memory limits", () => {
  it.each([
    [12, 12],
    ["1GiB", 2 ** 30],
    ["2.5gib", 2.5 * 2 ** 30],
    ["3MIB", 3 * 2 ** 20],
    ["1.0001KiB", 1024],
    ["20GB", 20e9],
    ["20Gb", 2.5e9],
    ["7kb", 875],
  ])("reads %j as %d bytes", (size, bytes) => {
    expect(parseMemorySize(size)).toBe(bytes);
  });

  it.each([[-1], [1.5], ["5"], ["-1GB"], ["5 TB"], ["GB"], [""]])("refuses %j", (size) => {
    expect(() => parseMemorySize(size)).toThrow(expect.objectContaining({ code: "ERR_INVALID_OPTION" }));
  });

  it("orders accelerators by index, then mps, cpu, disk", () => {
    const limits = readLimits({ disk: 1, cpu: 2, 10: 3, 9: 4, mps: 5 });
    expect([...limits]).toEqual([
      [9, 4],
      [10, 3],
      ["mps", 5],
      ["cpu", 2],
      ["disk", 1],
    ]);
    expect(() => readLimits({ gpu: 1 })).toThrow(/"gpu"/);
  });
});
