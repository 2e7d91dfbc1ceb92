import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { GpuClaims } from "#lib/device-map/gpu-claims.js";
import type { WeightTypes } from "#lib/device-map/checkpoint-tree.js";
import type { Placeable, Processor } from "#lib/device-map/placeable.js";
import { placeModel, type GpuOptions, type PlacedModel } from "#lib/device-map/place-model.js";
import { readPlacement, type DeviceOptions } from "#lib/device-map/request.js";
import type { Dtype } from "#lib/native/binding.js";
import { machineWith, programOf, same } from "./machines.js";
import { temporaryFolder } from "../temporary-folder.js";

const program = programOf("llama-grouped");
const size = program.bytes("bfloat16");
const roomy = 2 * size;

let folder: string;
beforeEach(() => {
  folder = temporaryFolder("placement");
});

interface Where {
  free?: number[];
  kind?: string;
  visible?: string[];
  localRank?: number;
  program?: Placeable;
}

function place(
  options: Partial<DeviceOptions & GpuOptions>,
  { free = [roomy, roomy], kind, visible, localRank, program: placed = program }: Where = {},
): Promise<PlacedModel> {
  const all = { deviceMap: null, disableCudaDevicePlacement: false, model: "owner/model", ...options };
  return placeModel(readPlacement(all, localRank), placed, all, {
    devices: () => machineWith(free, kind),
    cudaVisibleDevices: visible,
    claims: new GpuClaims(folder),
  });
}

async function placed(options: Partial<DeviceOptions & GpuOptions>, where?: Where) {
  const { assignment } = await place(options, where);
  return {
    map: assignment.map,
    devices: assignment.replicas.map((replica) => replica.devices),
    warnings: assignment.warnings,
  };
}

describe("a model", () => {
  it("is on the CPU by default, without a look at the accelerators", async () => {
    const all = { deviceMap: null, disableCudaDevicePlacement: false, model: "m" };
    const { assignment } = await placeModel(readPlacement(all, undefined), program, all, {
      devices: () => {
        throw new Error("asked");
      },
      cudaVisibleDevices: undefined,
    });
    expect(assignment).toMatchObject({ map: { "": "cpu" }, replicas: [{ devices: ["cpu"] }], warnings: [] });
  });

  it.each([
    ["cuda:1", { "": 1 }, ["cuda:1"]],
    [0, { "": 0 }, ["cuda:0"]],
    [{ model: 0, "": "cuda:1" }, { model: 0, "": 1 }, ["cuda:0", "cuda:1"]],
    [{ "": "cpu", "model.layers.0": 1 }, { "": "cpu", "model.layers.0": 1 }, ["cuda:1"]],
  ])("goes where the map %j says", async (deviceMap, map, devices) => {
    expect(await placed({ deviceMap: deviceMap })).toEqual({
      map,
      devices: [devices],
      warnings: [],
    });
  });

  it("is divided by auto over all accelerators, as in transformers, although one has room", async () => {
    const { map, devices } = await placed({ deviceMap: "auto" });
    expect(devices).toEqual([["cuda:0", "cuda:1"]]);
    expect(new Set(Object.values(map))).toEqual(new Set([0, 1]));
  });

  it("is planned with the limits alone", async () => {
    const { map, devices } = await placed({ maxMemory: { cpu: Math.ceil(0.8 * size) } });
    expect(devices).toEqual([["cpu"]]);
    expect(new Set(Object.values(map))).toEqual(new Set(["cpu", "disk"]));
  });

  it("warns of limits for accelerators that are not there, and fails when they are needed", async () => {
    const limits = { 0: roomy, 5: roomy };
    expect((await placed({ deviceMap: "sequential", maxMemory: limits })).warnings).toEqual([
      expect.stringMatching(/accelerators that are not there: 5\. There are: cuda:0, cuda:1/),
    ]);
    await expect(placed({ deviceMap: "auto", maxMemory: limits })).rejects.toMatchObject({
      code: "ERR_DEVICE_UNAVAILABLE",
      message: expect.stringContaining("only cuda:0, cuda:1") as string,
    });
    await expect(placed({ maxMemory: { 0: roomy } }, { free: [] })).rejects.toMatchObject({
      code: "ERR_DEVICE_UNAVAILABLE",
      message: expect.stringContaining("built without CUDA") as string,
    });
  });

  it("says so when balanced_low_0 offloads what has room", async () => {
    // The case of the reference: 600 MiB twice for a model of 1,137 MiB, in this model's proportion.
    const maxMemory = { 0: Math.ceil(0.65 * size), 1: Math.ceil(0.65 * size), cpu: roomy };
    const planned = (mode: string, maxMemory: DeviceOptions["maxMemory"]) =>
      placed({ deviceMap: mode, maxMemory, disableCudaDevicePlacement: true });
    const { map, warnings } = await planned("balanced_low_0", maxMemory);
    expect(Object.values(map)).toContain("cpu");
    expect(warnings).toEqual([expect.stringMatching(/balanced_low_0" leaves .*score.* to the CPU/)]);
    expect((await planned("sequential", maxMemory)).warnings).toEqual([]);
    // No room anywhere else: nothing to say.
    const tight = { 0: Math.ceil(0.3 * size), 1: Math.ceil(0.3 * size), cpu: roomy };
    expect((await planned("balanced_low_0", tight)).warnings).toEqual([]);
  });

  it("computes in float16 on an accelerator, and in float32 on the CPU, and is planned with that", async () => {
    const half = programOf("llama-grouped", (where) => same(where === "cpu" ? "float32" : "float16"));
    const dtypeOf = async (options: Partial<DeviceOptions>, free: number[]) =>
      (await place(options, { program: half, free })).assignment.dtype;
    expect(await dtypeOf({ deviceMap: 0 }, [roomy])).toBe("float16");
    expect(await dtypeOf({ deviceMap: { "": 0, "model.layers": "cpu" } }, [roomy])).toBe("float16");
    expect(await dtypeOf({ deviceMap: "cpu" }, [roomy])).toBe("float32");
    expect(await dtypeOf({ replicas: [0, "cpu"] }, [roomy])).toBe("float32");
    expect(await dtypeOf({ deviceMap: "auto" }, [])).toBe("float32");
    // 1.5 times its size in float16: room enough in that type, too little in the one that it computes in.
    const { map } = await placed({ maxMemory: { cpu: Math.ceil(1.5 * size) } }, { program: half });
    expect(Object.values(map)).toContain("disk");
  });

  it("is planned with what a CPU keeps its linears in, where that computes", async () => {
    const maxMemory = { cpu: Math.ceil(1.5 * size) };
    const mapOf = async (linears: Dtype, free: number[] = []) => {
      const typesOn = (where: Processor): WeightTypes => ({
        dtype: "bfloat16",
        linears: where === "cpu" ? linears : "bfloat16",
      });
      const { map } = await placed(
        { maxMemory: free.length > 0 ? { 0: roomy } : maxMemory },
        { program: programOf("llama-grouped", typesOn), free },
      );
      return Object.values(map);
    };
    expect(await mapOf("bfloat16")).toEqual(["cpu"]);
    expect(await mapOf("float32")).toContain("disk");
    expect(await mapOf("float32", [roomy])).toEqual([0]);
  });
});

describe("replicas", () => {
  it.each([
    ["auto", [roomy, roomy, roomy], ["cuda:0", "cuda:1", "cuda:2"]],
    ["auto", [roomy, size / 2, roomy], ["cuda:0", "cuda:2"]],
    [2, [size / 2, roomy, roomy, roomy], ["cuda:1", "cuda:2"]],
    [
      ["cuda:1", 0],
      [roomy, roomy],
      ["cuda:1", "cuda:0"],
    ],
    [
      ["cpu", 1],
      [roomy, roomy],
      ["cpu", "cuda:1"],
    ],
    ["auto", [], ["cpu"]],
  ])("%j on %j", async (replicas, free, devices) => {
    const result = await placed({ replicas: replicas as never }, { free });
    expect(result).toMatchObject({ devices: devices.map((name) => [name]), warnings: [] });
    expect(Object.keys(result.map)).toEqual([""]);
  });

  it("are all the whole model", async () => {
    const { assignment } = await place({ replicas: 2 });
    for (const { stages, devices } of assignment.replicas) {
      expect(Object.keys(stages)).toEqual(program.stages.map(({ name }) => name));
      expect(new Set(Object.values(stages))).toEqual(new Set(devices));
    }
  });

  it("are given up for one that is divided, where no device has room for the whole", async () => {
    const { devices, warnings } = await placed({ replicas: "auto" }, { free: [0.8 * size, 0.8 * size] });
    expect(devices).toEqual([["cuda:0", "cuda:1"]]);
    expect(warnings[0]).toMatch(/none of cuda:0 \(.* free\), cuda:1 \(.* free\) has room/);
  });

  it.each([
    [3, [roomy, roomy], /replicas: 3 .* there are only cuda:0, cuda:1/],
    [2, [roomy, size / 2], /replicas: 2 .* of cuda:0 .* 1 has it/],
    [1, [], /built without CUDA/],
    [[0, 4], [roomy], /only cuda:0/],
  ])("%j on %j are refused", async (replicas, free, message) => {
    await expect(placed({ replicas: replicas }, { free })).rejects.toMatchObject({
      code: "ERR_DEVICE_UNAVAILABLE",
      message: expect.stringMatching(message) as string,
    });
  });
});

describe("steps on one host", () => {
  const cuda = { deviceMap: "cuda" } as const;

  it("pick different GPUs, and share them with a warning when there are no more", async () => {
    expect(await placed(cuda)).toMatchObject({ map: { "": 0 }, devices: [["cuda:0"]], warnings: [] });
    expect(await placed(cuda)).toMatchObject({ map: { "": 1 }, devices: [["cuda:1"]], warnings: [] });
    const third = await placed(cuda);
    expect(third.devices).toEqual([["cuda:0"]]);
    expect(third.warnings).toEqual([
      expect.stringContaining(`cuda:0 is used by owner/model (process ${process.pid})`),
    ]);
  });

  it("get a GPU that was released", async () => {
    const [first] = [await place(cuda), await place(cuda)];
    await first.release();
    expect((await placed(cuda)).devices).toEqual([["cuda:0"]]);
  });

  it("never pick the same one when they start together", async () => {
    const free = Array.from({ length: 6 }, () => roomy);
    const all = await Promise.all(free.map(() => placed(cuda, { free })));
    expect(all.map(({ devices }) => devices[0]![0]).sort()).toEqual(free.map((_, i) => `cuda:${i}`));
  });

  it("know each other's GPUs by what CUDA_VISIBLE_DEVICES calls them", async () => {
    await placed(cuda, { visible: ["2", "5"] });
    expect((await placed(cuda, { visible: ["2", "3"] })).devices).toEqual([["cuda:1"]]);
    expect((await placed(cuda, { visible: ["5", "2"] })).devices).toEqual([["cuda:0"]]);
  });

  it("leave the choice to a launcher, and tell the others", async () => {
    expect((await placed(cuda, { localRank: 1 })).devices).toEqual([["cuda:1"]]);
    expect((await placed(cuda, { localRank: 1 })).warnings).toEqual([
      expect.stringContaining("cuda:1 is used"),
    ]);
  });

  it("take as few as hold a planned model, with cudaDevices auto", async () => {
    const auto = { deviceMap: "auto", cudaDevices: "auto" } as const;
    const free = [roomy, roomy, roomy];
    expect(await placed(auto, { free })).toMatchObject({ map: { "": 0 }, devices: [["cuda:0"]] });
    expect(await placed(auto, { free })).toMatchObject({ map: { "": 1 }, devices: [["cuda:1"]] });
    const halves = [roomy, 0.8 * size, 0.8 * size];
    const { map, devices } = await placed({ ...auto, cudaDevices: "auto" }, { free: [roomy, ...halves] });
    expect(devices).toEqual([["cuda:2", "cuda:3"]]);
    expect(new Set(Object.values(map))).toEqual(new Set([2, 3]));
  });

  it("use the GPUs of cudaDevices only, which are indexes among all that are seen", async () => {
    const free = [roomy, roomy, roomy];
    expect((await placed({ ...cuda, cudaDevices: [2] }, { free })).devices).toEqual([["cuda:2"]]);
    expect((await placed({ deviceMap: "auto", cudaDevices: [1, 2] }, { free })).devices).toEqual([
      ["cuda:1", "cuda:2"],
    ]);
    const again = await placed({ replicas: "auto", cudaDevices: [0, 2] }, { free });
    expect(again.devices).toEqual([["cuda:0"], ["cuda:2"]]);
    expect(again.warnings).toEqual([expect.stringContaining("cuda:2 is used by owner/model")]);
    await expect(placed({ deviceMap: 0, cudaDevices: [1] }, { free })).rejects.toThrow(
      /cuda:0 is not in cudaDevices/,
    );
    await expect(placed({ ...cuda, cudaDevices: [7] }, { free })).rejects.toMatchObject({
      code: "ERR_DEVICE_UNAVAILABLE",
      message: expect.stringMatching(/cudaDevices \[7\].*only cuda:0, cuda:1, cuda:2/) as string,
    });
    await expect(placed({ ...cuda, cudaDevices: [0] }, { free: [] })).rejects.toThrow(/built without CUDA/);
  });

  it("do not heed each other when placement is disabled", async () => {
    const disabled = { ...cuda, disableCudaDevicePlacement: true };
    expect((await placed(disabled)).devices).toEqual([["cuda:0"]]);
    expect((await placed(disabled)).devices).toEqual([["cuda:0"]]);
    expect(await placed(cuda)).toMatchObject({ devices: [["cuda:0"]], warnings: [] });
  });

  it("claim nothing on accelerators of another kind", async () => {
    const other = { deviceMap: 0 } as const;
    await placed(other, { kind: "privateuseone" });
    expect(await placed(other)).toMatchObject({ devices: [["cuda:0"]], warnings: [] });
  });

  it("claim nothing when they cannot be placed", async () => {
    await expect(placed({ replicas: 3 })).rejects.toThrow();
    expect(await placed(cuda)).toMatchObject({ devices: [["cuda:0"]], warnings: [] });
  });

  it("work without a folder to tell each other, and say so", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const all = { ...cuda, disableCudaDevicePlacement: false, model: "m" };
    for (const place of [file, join(file, "claims")]) {
      const { assignment } = await placeModel(readPlacement(all, undefined), program, all, {
        devices: () => machineWith([roomy]),
        cudaVisibleDevices: undefined,
        claims: new GpuClaims(place),
      });
      expect(assignment.map).toEqual({ "": 0 });
      expect(assignment.warnings).toEqual([expect.stringContaining("not told which GPUs")]);
    }
  });
});
