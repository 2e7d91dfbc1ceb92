import { describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { blockOf, type BlockSize } from "#lib/architectures/float8.js";
import { readQuantization } from "#lib/architectures/quantization.js";
import type { TensorInfo } from "#lib/native/binding.js";
import { readFixture, tensorInfos } from "../parity/fixtures.js";

const tensor = (name: string, dtype = "F16", shape = [4, 4]): TensorInfo => ({ name, dtype, shape, file: 0 });
const layer = (...ends: string[]) => ends.map((end) => tensor(`model.layers.0.mlp.up_proj.${end}`));
const refusal = (message: RegExp) =>
  expect.objectContaining({
    code: "ERR_NOT_SUPPORTED",
    message: expect.stringMatching(message) as string,
    details: { feature: "quantization" },
  }) as Error;

describe("the config", () => {
  const compressed = (format: string | undefined, ...weights: object[]) => ({
    quant_method: "compressed-tensors",
    format,
    config_groups: Object.fromEntries(weights.map((group, i) => [`group_${i}`, { weights: group }])),
  });
  const float8 = { type: "float", num_bits: 8, strategy: "channel" };

  it.each([
    ["gptq", /GPTQ.*"gptq"/],
    ["awq", /AWQ/],
    ["hqq", /HQQ/],
    ["eetq", /EETQ/],
    ["aqlm", /AQLM/],
    ["mxfp4", /MXFP4.*dequantize=True/],
    ["quanto", /quanto/],
    ["torchao", /torchao/],
    ["auto-round", /auto-round/],
    ["one-of-tomorrow", /one-of-tomorrow/],
  ])("%s is refused by name, with the way out", (method, message) => {
    const config = { quantization_config: { quant_method: method, bits: 4 } };
    expect(() => readQuantization(config, [])).toThrow(refusal(message));
    expect(() => readQuantization(config, [])).toThrow(refusal(/Use the model that they were made from/));
  });

  it.each<[object, RegExp]>([
    [
      { quantization_config: { quant_method: "bitsandbytes", load_in_4bit: true } },
      /bitsandbytes in 4 bits.*dequantize\(\)/,
    ],
    [{ quantization_config: { load_in_8bit: true } }, /bitsandbytes in 8 bits/],
    [{ quantization_config: { group_size: 64 } }, /unknown kind/],
    [{ quantization_config: "awq" }, /unknown kind/],
    [
      { quantization: { group_size: 64, bits: 4 }, quantization_config: { group_size: 64, bits: 4 } },
      /MLX in 4 bits/,
    ],
    [
      { quantization_config: compressed("pack-quantized", { type: "int", num_bits: 4 }) },
      /compressed-tensors \(pack-quantized\)/,
    ],
    [
      { quantization_config: compressed("float-quantized", float8, { type: "int", num_bits: 8 }) },
      /compressed-tensors/,
    ],
    [{ quantization_config: compressed("nvfp4-pack-quantized", { type: "float", num_bits: 4 }) }, /nvfp4/],
    [{ quantization_config: { quant_method: "compressed-tensors" } }, /compressed-tensors/],
    [{ text_config: { quantization_config: { quant_method: "gptq" } } }, /GPTQ/],
  ])("%j is refused by name", (config, message) => {
    expect(() => readQuantization(config, [])).toThrow(refusal(message));
  });

  it.each<[object, BlockSize]>([
    [{ quant_method: "fp8", weight_block_size: [128, 128], activation_scheme: "dynamic" }, [128, 128]],
    [{ quant_method: "fp8", weight_block_size: [64, 32] }, [64, 32]],
    [{ quant_method: "fp8", weight_block_size: [0, 1.5], modules_to_not_convert: ["score"] }, [128, 128]],
    [{ quant_method: "fp8", weight_block_size: null }, [128, 128]],
    [{ quant_method: "fbgemm_fp8", activation_scale_ub: 1200 }, [128, 128]],
    [compressed("float-quantized", float8), [128, 128]],
    [compressed(undefined, float8), [128, 128]],
    [compressed("float-quantized", float8, { ...float8, block_structure: "64x16" }), [64, 16]],
    [compressed("naive-quantized", { ...float8, block_structure: [32, 16] }), [32, 16]],
  ])("%j is F8 with scales", (config, block) => {
    expect(readQuantization({ quantization_config: config }, [])).toEqual({ block, scaled: true });
    expect(readQuantization({ text_config: { quantization_config: config } }, [])).toEqual({
      block,
      scaled: true,
    });
  });

  it.each([
    null,
    [],
    {},
    { quantization_config: null },
    { quantization_config: {} },
    { quantization_config: { quant_method: "gguf" } },
    { quantization_config: { quant_method: "bitsandbytes", load_in_4bit: false } },
  ])("%j is that of floats", (config) => {
    expect(readQuantization(config, layer("weight"))).toEqual({ block: [128, 128], scaled: false });
  });
});

describe("tensors of a config that says nothing", () => {
  it.each<[string, TensorInfo[]]>([
    ["GPTQ", layer("qweight", "qzeros", "scales", "g_idx")],
    ["AWQ", layer("qweight", "qzeros", "scales")],
    ["GPTQ or AWQ", layer("qweight", "scales")],
    ["bitsandbytes in 4 bits", layer("weight", "weight.absmax", "weight.quant_map")],
    ["bitsandbytes in 4 bits", layer("weight", "weight.quant_state.bitsandbytes__nf4")],
    ["bitsandbytes in 8 bits", layer("weight", "SCB")],
    ["bitsandbytes in 8 bits", layer("weight", "weight_format")],
    ["HQQ", layer("W_q", "scale", "zero")],
    ["AQLM", layer("codes", "codebooks", "scales")],
    [
      "MXFP4",
      [
        tensor("model.layers.0.mlp.experts.gate_up_proj_blocks"),
        tensor("model.layers.0.mlp.experts.gate_up_proj_scales"),
      ],
    ],
    ["NVFP4", layer("weight_packed", "weight_scale", "weight_global_scale")],
    ["NVFP4", layer("weight", "weight_scale", "weight_scale_2")],
    ["compressed-tensors (pack-quantized)", layer("weight_packed", "weight_scale", "weight_shape")],
    ["compressed-tensors (sparse)", layer("bitmask", "compressed")],
    ["quanto", layer("weight._data", "weight._scale")],
    ["QuIP#", layer("Qidxs")],
    ["EETQ", layer("weight", "weight_scales")],
    ["MLX", layer("weight", "scales", "biases")],
  ])("are refused as those of %s", (method, tensors) => {
    expect(() => readQuantization({}, [tensor("score.weight"), ...tensors])).toThrow(
      refusal(new RegExp(`quantized with ${method.replace(/[()]/g, "\\$&")} \\(tensor "model`)),
    );
  });

  it("are not those of a method by one name alone", () => {
    const names = ["scales", "zero", "codes", "g_idx", "biases", "compressed"];
    for (const name of names) expect(readQuantization({}, layer(name)).scaled).toBe(false);
    expect(readQuantization({}, [tensor("model.input_blocks")]).scaled).toBe(false);
  });
});

describe("blocks of a scale", () => {
  it.each<[number[], number[], BlockSize | undefined]>([
    [[300, 200], [], [300, 200]],
    [[300, 200], [1], [300, 200]],
    [
      [300, 200],
      [1, 1],
      [300, 200],
    ],
    [
      [300, 200],
      [300, 1],
      [1, 200],
    ],
    [[300, 200], [300], [1, 200]],
    [
      [300, 200],
      [3, 2],
      [128, 128],
    ],
    [
      [256, 100],
      [2, 1],
      [128, 128],
    ],
    [
      [256, 512],
      [8, 4],
      [32, 128],
    ],
    [
      [4, 64],
      [4, 2],
      [1, 32],
    ],
    [[64], [1], [1, 64]],
    [
      [8, 300, 200],
      [8, 3, 2],
      [128, 128],
    ],
    [
      [8, 300, 200],
      [8, 1, 1],
      [300, 200],
    ],
    [
      [8, 300, 200],
      [8, 300, 1],
      [1, 200],
    ],
    [[300, 200], [2, 3], undefined],
    [[300, 200], [7, 1], undefined],
    [[300, 200], [1, 200, 1], undefined],
    [[300, 200], [0], undefined],
    [[8, 300, 200], [4, 3, 2], undefined],
  ])("%j by %j", (weight, scale, block) => {
    expect(blockOf(tensor("w", "F8_E4M3", weight), tensor("s", "F32", scale), [128, 128])).toEqual(block);
  });
});

describe("a checkpoint in F8", () => {
  const fixture = readFixture("llama-grouped");
  const name = "model.layers.0.mlp.up_proj.weight";
  const as = (dtype: string, ...more: TensorInfo[]) => [
    ...tensorInfos(fixture).map((info) => (info.name === name ? { ...info, dtype } : info)),
    ...more,
  ];
  const of = (tensors: TensorInfo[], config: object = {}) =>
    describeArchitecture({ config: { ...fixture.config, ...config }, tensors });
  const partOf = (architecture: ReturnType<typeof of>) =>
    architecture.spec.stages
      .flatMap(({ weights }) => Object.values(weights).flat())
      .flatMap((weight) => weight?.parts ?? [])
      .find((part) => part.tensor === name);

  it.each(["_scale_inv", "_scale"])("has its scales in %s, which are used", (end) => {
    const architecture = of(as("F8_E4M3", tensor(name + end, "F32", [1])));
    expect(partOf(architecture)!.scale).toEqual({ tensor: name + end, block: fixture.tensors[name]![0] });
    expect(architecture.unusedTensors).toEqual([]);
  });

  it("without any scales is read as it is", () => {
    const architecture = of(as("F8_E5M2"));
    expect(partOf(architecture)).toEqual({ tensor: name });
  });

  it("that lacks one of its scales is an error", () => {
    const missing = expect.objectContaining({
      code: "ERR_WEIGHTS",
      details: { tensor: `${name}_scale_inv` },
    }) as Error;
    expect(() => of(as("F8_E4M3"), { quantization_config: { quant_method: "fp8" } })).toThrow(missing);
    const other = tensor("model.layers.1.mlp.up_proj.weight_scale", "F32", [1]);
    expect(() => of(as("F8_E4M3", other))).toThrow(missing);
  });

  it("whose scale does not fit is an error", () => {
    expect(() => of(as("F8_E4M3", tensor(`${name}_scale`, "F32", [5])))).toThrow(
      /shape \[5\] and can scale no blocks/,
    );
  });

  it.each(["I8", "U8", "I32", "F4", "F8_E4M3FNUZ"])("or rather in %s is refused", (dtype) => {
    expect(() => of(as(dtype))).toThrow(refusal(new RegExp(`${name}" is stored in ${dtype}`)));
  });

  it("computes in bfloat16 unless its config says something else", () => {
    const all = tensorInfos(fixture).map((info) => ({ ...info, dtype: "F8_E4M3" }));
    expect(of(all, { dtype: undefined, torch_dtype: undefined }).dtype).toBe("bfloat16");
    expect(of(all, { dtype: "float8_e4m3fn" }).dtype).toBe("bfloat16");
    expect(of(all, { dtype: "float16" }).dtype).toBe("float16");
  });
});
