/**
 * Models with weights in F8 against the same models with weights in float32 that the formula made: code × scale, where
 * what a code is has been said by torch.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { locateModel } from "#lib/model/locate.js";
import { openCheckpoint } from "#lib/model/sources/checkpoint.js";
import { scores, scoresOf } from "../model/folder-scores.js";
import { openEngineTest, type EngineTest } from "../native/engine-test.js";
import { bytesOf, f32, writeSafetensors, type FileTensor } from "../native/weights/safetensors-file.js";
import { temporaryFolder } from "../temporary-folder.js";
import { exportFolder, openExported } from "./exported.js";
import { readFixture, type ArchitectureFixture } from "./fixtures.js";
import { tinyWeights } from "./tiny-weights.js";

let binding: EngineTest;
beforeAll(async () => {
  binding = await openEngineTest();
});

/** What the codes of a type are. */
function valuesOf(type: "float8_e4m3fn" | "float8_e5m2"): Float32Array {
  const file = readFileSync(
    fileURLToPath(new URL("../fixtures/weights/float8_values.safetensors", import.meta.url)),
  );
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, start)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [begin, end] = header[type]!.data_offsets;
  return new Float32Array(new Uint8Array(file.subarray(start + begin, start + end)).buffer);
}

/** Where scales are, and what shape they have for a weight [rows, columns]. */
interface Scheme {
  end: string;
  shape: (rows: number, columns: number) => number[];
  block: (rows: number, columns: number) => [number, number];
  quantization: object;
}

const SCHEMES: Record<string, Scheme> = {
  "blocks, cut at the edges": {
    end: "_scale_inv",
    shape: (rows, columns) => [Math.ceil(rows / 12), Math.ceil(columns / 20)],
    block: () => [12, 20],
    quantization: { quant_method: "fp8", weight_block_size: [12, 20], modules_to_not_convert: ["score"] },
  },
  "a scale for the tensor": {
    end: "_scale",
    shape: () => [],
    block: (rows, columns) => [rows, columns],
    quantization: { quant_method: "compressed-tensors", format: "float-quantized" },
  },
  "a scale for each output": {
    end: "_scale",
    shape: (rows) => [rows, 1],
    block: (_, columns) => [1, columns],
    quantization: { quant_method: "fbgemm_fp8" },
  },
};

interface Folders {
  stored: string;
  /** The same model in float32. */
  formula: string;
}

function write(fixture: ArchitectureFixture, type: "float8_e4m3fn" | "float8_e5m2", scheme: Scheme): Folders {
  const values = valuesOf(type);
  const stored: Record<string, FileTensor> = {};
  const formula: Record<string, FileTensor> = {};
  for (const [name, [shape, offset, exponent]] of Object.entries(fixture.tensors)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const numbers = tinyWeights(name, count, offset, exponent);
    // Of one type the tables are in F8, too.
    const isLeftOut =
      type === "float8_e5m2" ? /norm|score|v_head|gate\.weight/ : /embed|norm|score|v_head|gate\.weight/;
    if (shape.length < 2 || isLeftOut.test(name)) {
      // F64 takes part: it is read into the model's type, too.
      stored[name] = { dtype: "F64", shape, data: bytesOf(Float64Array.from(numbers)) };
      formula[name] = f32(shape, numbers);
      continue;
    }
    const [rows, columns] = shape.slice(-2) as [number, number];
    const block = scheme.block(rows, columns);
    const [down, across] = [Math.ceil(rows / block[0]), Math.ceil(columns / block[1])];
    // Codes of small numbers, subnormal ones among them, of both signs.
    const codes = Uint8Array.from(numbers, (_, i) => ((i * 29 + rows) % 56) + (i % 3 === 0 ? 128 : 0));
    const stack = shape.slice(0, -2);
    const scaleShape = [...stack, ...scheme.shape(rows, columns)];
    const scales = Float32Array.from(
      { length: scaleShape.reduce((product, size) => product * size, 1) },
      (_, i) => 0.21 + 0.07 * (i % 5),
    );
    const product = Float32Array.from(codes, (code, i) => {
      const matrix = Math.floor(i / (rows * columns));
      const [row, column] = [Math.floor(i / columns) % rows, i % columns];
      const scale = (matrix * down + Math.floor(row / block[0])) * across + Math.floor(column / block[1]);
      return values[code]! * scales[scale]!;
    });
    const dtype = type === "float8_e5m2" ? "F8_E5M2" : "F8_E4M3";
    stored[name] = { dtype, shape, data: codes };
    stored[name + scheme.end] = f32(scaleShape, scales);
    stored[`${name.replace(/\.weight$/, "")}.input_scale`] = f32([], [0.5]);
    formula[name] = f32(shape, product);
  }
  const folder = (tensors: Record<string, FileTensor>, config: object) => {
    const directory = temporaryFolder("float8");
    writeSafetensors(join(directory, "model.safetensors"), tensors);
    writeFileSync(join(directory, "config.json"), JSON.stringify({ ...fixture.config, ...config }));
    return directory;
  };
  return {
    stored: folder(stored, { quantization_config: scheme.quantization }),
    formula: folder(formula, {}),
  };
}

const cases = ["llama-grouped", "internlm2", "mixtral", "mixtral-fused"].flatMap((name) =>
  Object.keys(SCHEMES).map((scheme) => [name, scheme] as const),
);

it.each(cases)("%s with %s has the formula's bits", async (name, scheme) => {
  const fixture = readFixture(name);
  for (const type of ["float8_e4m3fn", "float8_e5m2"] as const) {
    const { stored, formula } = write(fixture, type, SCHEMES[scheme]!);
    for (const dtype of ["float32", "bfloat16"] as const) {
      const expected = await scores(binding, formula, fixture, { dtype });
      expect(expected.every(Number.isFinite) && new Set(expected).size > 1).toBe(true);
      expect(await scores(binding, stored, fixture, { dtype })).toEqual(expected);
    }
  }
});

it.each(["disk", "sim:0"])("has the formula's bits on %s", async (device) => {
  const fixture = readFixture("llama-grouped");
  binding.simulator.devices([1 << 24]);
  for (const type of ["float8_e4m3fn", "float8_e5m2"] as const) {
    const { stored, formula } = write(fixture, type, SCHEMES["blocks, cut at the edges"]!);
    const where = { dtype: "bfloat16", device } as const;
    expect(await scores(binding, stored, fixture, where)).toEqual(
      await scores(binding, formula, fixture, where),
    );
  }
});

it("is the same when it comes back from its archive", async () => {
  const fixture = readFixture("llama-grouped");
  const { stored, formula } = write(fixture, "float8_e5m2", SCHEMES["a scale for each output"]!);
  const { source, archive } = await exportFolder(binding, stored, fixture, { dtype: "bfloat16" });
  source.close();
  const exported = (await openExported(binding, archive))!;
  // What it holds are numbers of the model.
  expect(exported.warnings).toEqual([]);
  const where = { dtype: "bfloat16", device: "cpu" } as const;
  expect(await scoresOf(binding, exported, fixture, where)).toEqual(
    await scores(binding, formula, fixture, where),
  );
});

it("is told once, with the type that the model computes in and the scales that are not used", async () => {
  const { stored, formula } = write(
    readFixture("llama-grouped"),
    "float8_e4m3fn",
    SCHEMES["a scale for the tensor"]!,
  );
  const source = (await openCheckpoint(binding, await locateModel(stored)))!;
  source.close();
  expect(source.warnings).toEqual([
    expect.stringMatching(/F64 and F8_E4M3 with scales.*float32 unless torchDtype.*input_scale.*not used/),
  ]);
  const plain = (await openCheckpoint(binding, await locateModel(formula)))!;
  plain.close();
  expect(plain.warnings).toEqual([]);
});

it("takes the memory of the type that it computes in", async () => {
  const { stored, formula } = write(
    readFixture("llama-grouped"),
    "float8_e4m3fn",
    SCHEMES["a scale for the tensor"]!,
  );
  const bytes = async (folder: string) => {
    const source = (await openCheckpoint(binding, await locateModel(folder)))!;
    source.close();
    return source.placeable("bfloat16").modulesOn("accelerator");
  };
  expect(await bytes(stored)).toEqual(await bytes(formula));
});
