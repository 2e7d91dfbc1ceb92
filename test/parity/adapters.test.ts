/** LoRA adapters, against the models that PEFT merges them into. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { fieldInputs, packingProgram, poolingProgram } from "#lib/architectures/padded-input.js";
import { createPooling } from "#lib/architectures/pooling.js";
import { adapted } from "#lib/model/adapt.js";
import { locateAdapter, locateModel } from "#lib/model/locate.js";
import { openCheckpoint } from "#lib/model/sources/checkpoint.js";
import { recordFiles } from "#lib/model/sources/exported-program.js";
import type { ProgramSource } from "#lib/model/sources/program.js";
import type { Dtype } from "#lib/native/binding.js";
import { openEngineTest, type EngineTest } from "../native/engine-test.js";
import { stagesOn } from "../native/stages-on.js";
import { f32, writeSafetensors } from "../native/weights/safetensors-file.js";
import { temporaryFolder } from "../temporary-folder.js";
import { openExported } from "./exported.js";
import { encodeMarker, readFixture, type ArchitectureFixture } from "./fixtures.js";
import { packRows } from "./program.js";
import { writeCheckpoint } from "./tiny-checkpoint.js";
import { tinyWeights } from "./tiny-weights.js";

const folder = fileURLToPath(new URL("../fixtures/adapters/", import.meta.url));
const names = readdirSync(folder);

/** What scripts/fixtures/architectures/adapters.py writes beside the adapter. */
interface Expected {
  base: string;
  rows: number[];
  scores: number[][];
}

let binding: EngineTest;
beforeAll(async () => {
  binding = await openEngineTest();
});

function readCase(name: string) {
  const expected = JSON.parse(readFileSync(join(folder, name, "expected.json"), "utf8")) as Expected;
  const fixture = readFixture(expected.base);
  const pick = <T>(rows: T[]) => expected.rows.map((row) => rows[row]!);
  const types = fixture.types && { types: pick(fixture.types) };
  return { ...expected, fixture: { ...fixture, rows: pick(fixture.rows), ...types } };
}

/** The adapter on its base, each in a folder of its own. */
async function open(name: string, change: (fixture: ArchitectureFixture) => ArchitectureFixture = (f) => f) {
  const { fixture, scores } = readCase(name);
  const { directory } = writeCheckpoint(change(fixture));
  const files = await adapted(await locateModel(directory), await locateAdapter(join(folder, name)));
  return { source: (await openCheckpoint(binding, files))!, fixture, scores };
}

async function score(
  { architecture, spec, checkpoint }: Pick<ProgramSource, "architecture" | "spec" | "checkpoint">,
  fixture: ArchitectureFixture,
  options: { dtype?: Dtype; device?: string } = {},
): Promise<number[]> {
  const { dtype = "float32", device = "cpu" } = options;
  const model = await binding.loadProgram(spec, { checkpoint, dtype, threads: 1, ...stagesOn(spec, device) });
  try {
    const pool = createPooling(architecture.pooling, encodeMarker(fixture));
    const positions = fixture.rows.map((row) => pool(Int32Array.from(row)));
    const { scores } = await model.forward(packRows(fixture, positions, [...fixture.rows.keys()]));
    return Array.from(scores);
  } finally {
    await model.dispose();
  }
}

/** What the archive of a source comes back as, in float32. */
async function exportSource(source: ProgramSource, fixture: ArchitectureFixture): Promise<ProgramSource> {
  const { pooling, tokenFields } = source.architecture;
  const archive = join(temporaryFolder("adapters"), "model.pt");
  await binding.exportProgram(
    { ...source.spec, extraFiles: recordFiles(source, "float32", pooling) },
    {
      checkpoint: source.checkpoint,
      dtype: "float32",
      output: archive,
      pooling: poolingProgram(pooling, encodeMarker(fixture)),
      packing: packingProgram(),
      fields: fieldInputs(tokenFields),
    },
  );
  return (await openExported(binding, archive))!;
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-5) {
  const scale = Math.max(...expected.map(Math.abs));
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!) / scale).toBeLessThanOrEqual(tolerance));
}

describe.each(names)("%s", (name) => {
  it("gives the scores of the merged model", async () => {
    const { source, fixture, scores } = await open(name);
    expect(source.unusedTensors.filter((tensor) => tensor.startsWith("adapter:"))).toEqual([]);
    expectClose(await score(source, fixture), scores.flat());
    source.close();
  });

  it("moves every score, so that an adapter that is left out shows", async () => {
    const { fixture, scores } = readCase(name);
    const { directory } = writeCheckpoint(fixture);
    const source = (await openCheckpoint(binding, await locateModel(directory)))!;
    const alone = await score(source, fixture);
    source.close();
    const scale = Math.max(...scores.flat().map(Math.abs));
    alone.forEach((value, i) =>
      expect(Math.abs(value - scores.flat()[i]!) / scale, `row ${i}`).toBeGreaterThan(1e-3),
    );
  });

  it("has the same bits when its stages stay on the disk", async () => {
    const { source, fixture } = await open(name);
    const resident = await score(source, fixture);
    expect(await score(source, fixture, { device: "disk" })).toEqual(resident);
    source.close();
  });

  it("gives the same scores on an accelerator", async () => {
    binding.simulator.devices([1 << 24]);
    const { source, fixture, scores } = await open(name);
    expectClose(await score(source, fixture, { device: "sim:0" }), scores.flat());
    source.close();
  });

  it("is in an exported archive as it was read, to the bit", async () => {
    const { source, fixture } = await open(name);
    const exported = await exportSource(source, fixture);
    expect(await score(exported, fixture)).toEqual(await score(source, fixture));
    exported.close();
    source.close();
  });
});

describe("a base", () => {
  it("that is a language model has the adapter's head", async () => {
    const { source, fixture, scores } = await open("lora", (fixture) => {
      const trunk = Object.entries(fixture.tensors).filter(([name]) => name !== "score.weight");
      const lmHead = ["lm_head.weight", fixture.tensors["model.embed_tokens.weight"]!] as const;
      const config = { ...fixture.config, architectures: ["LlamaForCausalLM"] };
      return { ...fixture, config, tensors: Object.fromEntries([...trunk, lmHead]) };
    });
    expect(source.architecture.name).toBe("LlamaForSequenceClassification");
    expect(source.unusedTensors).toEqual(["lm_head.weight"]);
    expectClose(await score(source, fixture), scores.flat());
    source.close();
  });

  it.each([
    ["whose names have model. once too often", (name: string) => `model.${name}`],
    ["whose trunk has no prefix", (name: string) => name.replace(/^model\./, "")],
    ["below another module", (name: string) => name.replace(/^model\./, "transformer.")],
    ["that a trainer wrapped", (name: string) => `module._orig_mod.${name}`],
  ])("%s is found all the same", async (_what, rename) => {
    // The numbers follow from the names.
    const { fixture, scores } = readCase("lora");
    const directory = temporaryFolder("renamed");
    writeFileSync(join(directory, "config.json"), JSON.stringify(fixture.config));
    const tensors = Object.entries(fixture.tensors).map(([name, [shape, offset, exponent]]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [rename(name), f32(shape, tinyWeights(name, count, offset, exponent))] as const;
    });
    writeSafetensors(join(directory, "model.safetensors"), Object.fromEntries(tensors));
    const files = await adapted(await locateModel(directory), await locateAdapter(join(folder, "lora")));
    const source = (await openCheckpoint(binding, files))!;
    expectClose(await score(source, fixture), scores.flat());
    source.close();
  });
});

it("an adapter beside its base is applied", async () => {
  const { fixture, scores } = readCase("dora");
  const { directory } = writeCheckpoint(fixture);
  cpSync(join(folder, "dora"), directory, { recursive: true });
  const source = (await openCheckpoint(binding, await locateModel(directory)))!;
  expectClose(await score(source, fixture), scores.flat());
  source.close();
});

it("an adapter in one file with its base, as a trainer's state dict has it, is applied", async () => {
  const { fixture, scores } = readCase("lora");
  const directory = temporaryFolder("state-dict");
  const adapter = await binding.openCheckpoint([join(folder, "lora/adapter_model.safetensors")]);
  const targets = new Set(
    adapter.tensors.flatMap(({ name }) => /^(.*)\.lora_[AB]\.weight$/.exec(name)?.[1] ?? []),
  );
  const file = readFileSync(join(folder, "lora/adapter_model.safetensors"));
  const tensors = Object.entries(fixture.tensors).map(([name, [shape, offset, exponent]]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const own = `base_model.model.${name}`;
    const module = own.replace(/\.weight$/, "");
    const wrapped = targets.has(module)
      ? `${module}.base_layer.weight`
      : own.replace(".score.", ".score.original_module.");
    return [wrapped, f32(shape, tinyWeights(name, count, offset, exponent))] as const;
  });
  const further = adapter.tensors.map(({ name, shape }) => {
    const trained = name
      .replace(/\.(lora_[AB])\./, ".$1.default.")
      .replace(".score.", ".score.modules_to_save.default.");
    return [trained, f32(shape, numbersOf(file, name))] as const;
  });
  adapter.close();
  writeSafetensors(join(directory, "model.safetensors"), Object.fromEntries([...tensors, ...further]));
  writeFileSync(join(directory, "config.json"), JSON.stringify(fixture.config));
  cpSync(join(folder, "lora/adapter_config.json"), join(directory, "adapter_config.json"));
  const source = (await openCheckpoint(binding, await locateModel(directory)))!;
  expect(source.unusedTensors).toEqual(["base_model.model.score.original_module.weight"]);
  expectClose(await score(source, fixture), scores.flat());
  source.close();
});

function numbersOf(file: Buffer, name: string): Float32Array {
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: number[] }
  >;
  const [from, to] = header[name]!.data_offsets;
  return new Float32Array(Uint8Array.from(file.subarray(8 + length + from!, 8 + length + to!)).buffer);
}

/** PEFT cannot load InternLM2; what it would add is added to the file here. */
it("weights that a program takes apart (InternLM2's wqkv) are merged before that", async () => {
  const fixture = readFixture("internlm2");
  const settings = JSON.parse(readFileSync(join(folder, "lora/adapter_config.json"), "utf8")) as object;
  const wqkv = "model.layers.1.attention.wqkv";
  const [[out, inside]] = fixture.tensors[`${wqkv}.weight`]! as [[number, number], number, number];
  const a = tinyWeights("a", 2 * inside, 0, 8);
  const b = tinyWeights("b", out * 2, 0, 8);
  const adapter = temporaryFolder("internlm2-adapter");
  writeFileSync(join(adapter, "adapter_config.json"), JSON.stringify({ ...settings, r: 2, lora_alpha: 3 }));
  writeSafetensors(join(adapter, "adapter_model.safetensors"), {
    [`base_model.model.${wqkv}.lora_A.weight`]: f32([2, inside], a),
    [`base_model.model.${wqkv}.lora_B.weight`]: f32([out, 2], b),
  });
  const write = (merged: boolean) => {
    const directory = temporaryFolder("internlm2");
    writeFileSync(join(directory, "config.json"), JSON.stringify(fixture.config));
    const tensors = Object.entries(fixture.tensors).map(([name, [shape, offset, exponent]]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const numbers = tinyWeights(name, count, offset, exponent);
      if (merged && name === `${wqkv}.weight`) {
        for (let i = 0; i < count; i++) {
          const [row, column] = [Math.trunc(i / inside), i % inside];
          numbers[i]! += 1.5 * (b[2 * row]! * a[column]! + b[2 * row + 1]! * a[inside + column]!);
        }
      }
      return [name, f32(shape, numbers)] as const;
    });
    writeSafetensors(join(directory, "model.safetensors"), Object.fromEntries(tensors));
    return directory;
  };
  const base = await locateModel(write(false));
  const source = (await openCheckpoint(binding, await adapted(base, await locateAdapter(adapter))))!;
  const merged = (await openCheckpoint(binding, await locateModel(write(true))))!;
  const expected = await score(merged, fixture);
  expectClose(await score(source, fixture), expected, 1e-6);
  const plain = (await openCheckpoint(binding, base))!;
  expect(await score(plain, fixture)).not.toEqual(expected);
  for (const each of [source, merged, plain]) each.close();
});

it.each(["BF16", "F32"] as const)(
  "a sum is rounded once: bfloat16 of an adapter on %s is that of the sum in float32",
  async (stored) => {
    for (const name of ["lora", "dora", "rslora-all-linear", "fused"]) {
      const { fixture } = readCase(name);
      const { directory } = writeCheckpoint(fixture, { dtype: stored });
      const files = await adapted(await locateModel(directory), await locateAdapter(join(folder, name)));
      const source = (await openCheckpoint(binding, files))!;
      const exported = await exportSource(source, fixture);
      const applied = await score(source, fixture, { dtype: "bfloat16" });
      expect(applied).toEqual(await score(exported, fixture, { dtype: "bfloat16" }));
      expect(applied).not.toEqual(await score(source, fixture));
      exported.close();
      source.close();
    }
  },
);
