import { describe, expect, it } from "vitest";
import { readPlacement, type DeviceOptions } from "#lib/device-map/request.js";
import { resolveOptions, type RewardModelScoreOptions } from "#lib/options.js";

const read = (options: Partial<DeviceOptions>, localRank?: number) =>
  readPlacement({ deviceMap: null, ...options }, localRank);
const resolve = (options: object) =>
  resolveOptions({ model: "m", ...options } satisfies RewardModelScoreOptions);

describe("readPlacement", () => {
  it.each([
    [{}, { map: { "": "cpu" } }],
    [{ deviceMap: "cuda" }, { map: { "": "cuda" } }],
    [{ deviceMap: "sequential" }, { mode: "sequential", limits: undefined }],
    [{ replicas: "auto" }, { replicas: "auto" }],
    [{ replicas: 2 }, { replicas: 2 }],
    [{ replicas: ["cpu", 1] }, { replicas: ["cpu", 1] }],
  ] as const)("reads %j", (options, expected) => {
    expect(read(options as Partial<DeviceOptions>)).toEqual(expected);
  });

  it("plans where only limits are given", () => {
    const limits = new Map([["cpu", 500_000_000]]);
    expect(read({ maxMemory: { cpu: "500MB" } })).toEqual({ mode: "auto", limits });
    expect(read({ deviceMap: "balanced", maxMemory: { cpu: "500MB" } })).toEqual({
      mode: "balanced",
      limits,
    });
  });

  it("lets a launcher's rank choose the GPU", () => {
    expect(read({ deviceMap: "cuda" }, 3)).toEqual({ map: { "": "cuda:3" } });
  });
});

describe("options of devices", () => {
  it.each([
    [{ deviceMap: -1 }, "deviceMap", /negative/],
    [{ deviceMap: "gpu" }, "deviceMap", /"gpu" is no device/],
    [{ deviceMap: { a: "tpu" } }, "deviceMap", /"tpu" is no device/],
    [{ deviceMap: "auto", maxMemory: { cpu: "5 lots" } }, "maxMemory", /5 lots/],
    [{ maxMemory: { gpu: "5GB" } }, "maxMemory", /"gpu"/],
    [{ deviceMap: "cuda", maxMemory: { 0: "5GB" } }, "maxMemory", /no effect with deviceMap "cuda"/],
    [{ deviceMap: { "": 0 }, maxMemory: { 0: "5GB" } }, "maxMemory", /no effect/],
    [{ replicas: 2, deviceMap: "auto" }, "replicas", /whole model on one device/],
    [{ replicas: 2, deviceMap: { model: 0, score: 1 } }, "replicas", /contradict/],
    [{ replicas: "auto", maxMemory: { 0: "5GB" } }, "replicas", /contradict/],
    [{ replicas: 0 }, "replicas", /replicas/],
    [{ replicas: [] }, "replicas", /replicas/],
    [{ replicas: ["cuda:0", "cuda:0"] }, "replicas", /twice/],
    [{ replicas: ["disk"] }, "replicas", /nothing is computed on "disk"/],
    [{ replicas: ["gpu"] }, "replicas", /"gpu" is no device/],
    [{ cudaDevices: [0] }, "cudaDevices", /no effect/],
    [{ cudaDevices: [-1], deviceMap: "cuda" }, "cudaDevices", /cudaDevices/],
    [{ cudaDevices: "all" }, "cudaDevices", /cudaDevices/],
    [{ disableCudaDevicePlacement: "yes" }, "disableCudaDevicePlacement", /disableCudaDevicePlacement/],
  ])("refuses %j", (options, option, message) => {
    expect(() => resolve(options)).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_OPTION",
        message: expect.stringMatching(message) as string,
        details: { option: expect.stringContaining(option) as string },
      }),
    );
  });

  it("takes distilabel's defaults on a CPU", () => {
    expect(resolve({ cudaDevices: "auto", disableCudaDevicePlacement: false, deviceMap: null })).toBeTruthy();
  });
});
