import { describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { findDevice, measuredLimits, toIndex, type Devices } from "#lib/device-map/devices.js";
import type { GivenMap } from "#lib/device-map/forms.js";
import { placeStages } from "#lib/device-map/place.js";
import { readFixture, tensorInfos } from "../parity/fixtures.js";

const GIB = 2 ** 30;
const gpu = (name: string, free = 8 * GIB) => ({ name, kind: name.split(":")[0]!, total: 10 * GIB, free });
const twoGpus: Devices = {
  accelerators: [gpu("cuda:0"), gpu("cuda:1", 6 * GIB)],
  cpu: { name: "cpu", kind: "cpu", total: 64 * GIB, free: 40 * GIB },
  cudaReason: undefined,
};
const cpuOnly: Devices = {
  ...twoGpus,
  accelerators: [],
  cudaReason: "this libtorch was built for the CPU only",
};

function stagesOf(name: string) {
  const fixture = readFixture(name);
  return describeArchitecture({ config: fixture.config, tensors: tensorInfos(fixture) }).spec.stages;
}

function place(map: GivenMap, name = "llama-grouped", devices = twoGpus) {
  return placeStages(stagesOf(name), map, (device) => findDevice(devices, device));
}

describe("placeStages", () => {
  it("puts everything on one device", () => {
    const { stages, executionDevice } = place({ "": 1 });
    expect(new Set(Object.values(stages))).toEqual(new Set(["cuda:1"]));
    expect(executionDevice).toBe("cuda:1");
  });

  it("follows a map as transformers writes it", () => {
    const map = {
      "model.embed_tokens": 0,
      "model.layers.0": 0,
      "model.layers.1": "cpu",
      "model.norm": "disk",
      "model.rotary_emb": "disk",
      score: "cuda:1",
    };
    expect(place(map)).toEqual({
      stages: {
        "model.embed_tokens": "cuda:0",
        // It has no weights: it is computed where the others are.
        "model.rotary_emb": "cuda:0",
        "model.layers.0": "cuda:0",
        "model.layers.1": "cpu",
        "model.norm": "disk",
        score: "cuda:1",
      },
      executionDevice: "cuda:0",
      warnings: [],
    });
  });

  it("computes on the CPU what is on the disk, where there is no accelerator", () => {
    const { stages, executionDevice } = place(
      { "": "cpu", "model.layers": "disk" },
      "llama-grouped",
      cpuOnly,
    );
    expect([stages["model.layers.0"], stages["model.rotary_emb"], executionDevice]).toEqual([
      "disk",
      "cpu",
      "cpu",
    ]);
  });

  it("needs no device for modules without a tensor in the checkpoint", () => {
    const map = { "model.embed_tokens": 0, "model.layers": 1, "model.norm": 1, score: 1 };
    expect(place(map).stages["model.rotary_emb"]).toBe("cuda:0");
    expect(place({ ...map, "model.rotary_emb": 1 })).toMatchObject({
      stages: { "model.rotary_emb": "cuda:1" },
      warnings: [],
    });
  });

  it.each(["gemma3-two-bases", "mixtral", "armorm", "qwen2-reward", "urm"])(
    "%s: a map of its top modules covers every stage",
    (name) => {
      const { stages, warnings } = place({ model: 0, "": 1 }, name);
      expect(Object.keys(stages)).toEqual(stagesOf(name).map((stage) => stage.name));
      expect(stages).toMatchObject({
        score: "cuda:1",
        "model.layers.0": "cuda:0",
        "model.rotary_emb": "cuda:0",
      });
      expect(warnings).toEqual([]);
    },
  );

  it("names the parameters that a map leaves out", () => {
    expect(() => place({ "model.layers": 0, "model.norm": 0 })).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_OPTION",
        message: expect.stringContaining("model.embed_tokens.weight, score.weight") as string,
      }),
    );
  });

  it("warns of modules that the model does not have", () => {
    expect(place({ "": 0, "model.layers.7": 1, head: 1 }).warnings).toEqual([
      expect.stringContaining("model.layers.7, head"),
    ]);
  });

  it("warns where transformers takes a name for the beginning of another", () => {
    const stages = stagesOf("llama-grouped").map((stage) => ({
      ...stage,
      name: stage.name.replace("layers.1", "layers.10"),
      weights: JSON.parse(
        JSON.stringify(stage.weights).replaceAll("layers.1.", "layers.10."),
      ) as typeof stage.weights,
    }));
    const { warnings, stages: placed } = placeStages([...stages], { "": 0, "model.layers.1": 1 }, (device) =>
      findDevice(twoGpus, device),
    );
    expect(placed["model.layers.10"]).toBe("cuda:0");
    expect(warnings).toEqual([
      expect.stringContaining("model.layers.1"),
      expect.stringMatching(/transformers would put model\.layers\.10\.\S+ on cuda:1/),
    ]);
  });

  it("does not divide a decoder layer, but keeps a head together", () => {
    expect(() => place({ "": 0, "model.layers.1.mlp": 1 })).toThrow(
      expect.objectContaining({
        code: "ERR_NOT_SUPPORTED",
        message: expect.stringContaining("model.layers.1") as string,
      }),
    );
    expect(place({ "": 0, "model.layers.1.mlp": "cuda:0" }).stages["model.layers.1"]).toBe("cuda:0");
    expect(place({ "": 0, "score.2": 1 }, "qwen2-reward").stages.score).toBe("cuda:0");
  });
});

describe("findDevice", () => {
  it.each([
    [0, "cuda:0"],
    [1, "cuda:1"],
    ["cuda", "cuda:0"],
    ["cuda:1", "cuda:1"],
    ["cpu", "cpu"],
    ["disk", "disk"],
  ])("%j is %s", (device, name) => {
    expect(findDevice(twoGpus, device)).toBe(name);
  });

  it("does not use what is excluded, and counts it all the same", () => {
    const excluded = "is not in cudaDevices";
    const second: Devices = { ...twoGpus, accelerators: [{ ...gpu("cuda:0"), excluded }, gpu("cuda:1")] };
    expect([findDevice(second, 1), findDevice(second, "cuda"), toIndex(second, "cuda")]).toEqual([
      "cuda:1",
      "cuda:1",
      1,
    ]);
    expect(() => findDevice(second, 0)).toThrow(/cuda:0 is not in cudaDevices/);
    expect([...measuredLimits(second).keys()]).toEqual([1, "cpu"]);
  });

  it.each([
    [cpuOnly, "cuda", /built for the CPU only/],
    [cpuOnly, 0, /built for the CPU only/],
    [twoGpus, "cuda:2", /only cuda:0, cuda:1/],
    [twoGpus, 5, /only cuda:0, cuda:1/],
    [twoGpus, "mps", /no support for MPS/],
  ])("says what is missing, %#", (devices, device, message) => {
    expect(() => findDevice(devices, device)).toThrow(
      expect.objectContaining({
        code: "ERR_DEVICE_UNAVAILABLE",
        message: expect.stringMatching(message) as string,
        details: { device: String(device) },
      }),
    );
  });
});

it("measured limits are what is free, and nine tenths of the host's", () => {
  expect([...measuredLimits(twoGpus)]).toEqual([
    [0, 8 * GIB],
    [1, 6 * GIB],
    ["cpu", 36 * GIB],
  ]);
  expect([...measuredLimits(cpuOnly)]).toEqual([["cpu", 36 * GIB]]);
});
