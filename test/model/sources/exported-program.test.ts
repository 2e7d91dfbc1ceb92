import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { createPooling } from "#lib/architectures/pooling.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { ProgramSource } from "#lib/model/sources/program.js";
import type { BatchScores, Dtype, NativeBinding, StageSpec } from "#lib/native/binding.js";
import { archivePath } from "../../native/archives.js";
import { openEngineTest, rejection, type EngineTest } from "../../native/engine-test.js";
import { encodeMarker, readFixture, type ArchitectureFixture } from "../../parity/fixtures.js";
import { exportable, exportFixture, openExported } from "../../parity/exported.js";
import { packRows } from "../../parity/program.js";
import { stagesOn } from "../../native/stages-on.js";

let binding: EngineTest;
beforeAll(async () => {
  binding = await openEngineTest();
});

async function scoresOf(
  { architecture, spec, checkpoint }: ProgramSource,
  fixture: ArchitectureFixture,
  dtype: Dtype,
  device = "cpu",
  others: Record<string, string> = {},
): Promise<BatchScores> {
  const model = await binding.loadProgram(spec, {
    checkpoint,
    dtype,
    threads: 1,
    ...stagesOn(spec, device, others),
  });
  const pool = createPooling(architecture.pooling, encodeMarker(fixture));
  const positions = fixture.rows.map((row) => pool(Int32Array.from(row)));
  const scores = await model.forward(packRows(fixture, positions, [...fixture.rows.keys()]));
  await model.dispose();
  return scores;
}

async function reopen(archive: string, native: NativeBinding = binding): Promise<ProgramSource> {
  return (await openExported(native, archive))!;
}

describe("an exported archive is the program that it was made from", () => {
  it.each(exportable.map((fixture) => [fixture.name, fixture] as const))(
    "%s: to the bit",
    async (_, fixture) => {
      const { source, archive } = await exportFixture(binding, fixture);
      const exported = await reopen(archive);
      expect(await scoresOf(exported, fixture, "float32")).toEqual(
        await scoresOf(source, fixture, "float32"),
      );
      const { spec, ropeClass: _rope, unusedTensors: _unused, ...described } = exported.architecture;
      expect(source.architecture).toMatchObject(described);
      expect(spec).toEqual(source.architecture.spec);
      exported.close();
      source.close();
    },
  );

  it.each([
    ["BF16", "bfloat16"],
    ["F16", "float16"],
    ["F32", "bfloat16"],
  ] as const)("also a checkpoint in %s as %s, which is what it computes in then", async (stored, dtype) => {
    const fixture = readFixture("armorm");
    const { source, archive } = await exportFixture(binding, fixture, { stored, dtype });
    const exported = await reopen(archive);
    expect(exported.architecture.dtype).toBe(dtype);
    // No CPU computes in float16.
    binding.simulator.devices([1 << 24]);
    const device = dtype === "float16" ? "sim:0" : "cpu";
    const wanted = await scoresOf(source, fixture, dtype, device);
    expect(await scoresOf(exported, fixture, dtype, device)).toEqual(wanted);
    exported.close();
    source.close();
  });

  it("divided over devices and the disk, from the file as a checkpoint is", async () => {
    binding.simulator.devices([1 << 24, 1 << 24]);
    const fixture = readFixture("mixtral");
    const { source, archive } = await exportFixture(binding, fixture);
    const exported = await reopen(archive);
    for (const [device, others] of [
      ["sim:0", { "model.layers.1": "sim:1", score: "cpu" }],
      ["disk", { "model.layers.0": "sim:1" }],
      ["disk", {}],
    ] as const) {
      const found = await scoresOf(exported, fixture, "float32", device, others);
      expect(found, `${device} ${JSON.stringify(others)}`).toEqual(
        await scoresOf(source, fixture, "float32", device, others),
      );
    }
    exported.close();
    source.close();
  });
});

it("an archive that came from elsewhere is none", async () => {
  expect(await openExported(binding, archivePath("column.pt"))).toBeUndefined();
  const llama = fileURLToPath(new URL("../../fixtures/classifiers/llama/model.pt", import.meta.url));
  expect(await openExported(binding, llama)).toBeUndefined();
});

it.each([
  ["absent.pt", "ERR_NOT_FOUND"],
  ["weights.pt", "ERR_NOT_TORCHSCRIPT"],
  ["other.zip", "ERR_NOT_TORCHSCRIPT"],
  ["expected.json", "ERR_NOT_TORCHSCRIPT"],
] as const)("%s is refused as an archive is", async (name, code) => {
  expect(await rejection(openExported(binding, archivePath(name)))).toMatchObject({ code });
});

describe("a record that was tampered with", () => {
  const RECORD = "reward_model_score.json";
  type Files = Record<string, string>;
  interface Written {
    format: unknown;
    dtype: string;
    pooling: string;
    tensors: { name: string; dtype: string; shape: number[] }[];
    weights: Record<string, StageSpec["weights"]>;
    source?: string;
  }
  const edit = (change: (record: Written) => void) => (files: Files) => {
    const record = JSON.parse(files[RECORD]!) as Written;
    change(record);
    files[RECORD] = JSON.stringify(record);
  };
  const editConfig = (changes: object) => (files: Files) => {
    files["config.json"] = JSON.stringify({ ...JSON.parse(files["config.json"]!), ...changes });
  };

  it.each<[string, (files: Files) => void, string]>([
    ["is not JSON", (files) => (files[RECORD] = "{"), "ERR_MODEL_CORRUPT"],
    ["is null", (files) => (files[RECORD] = "null"), "ERR_MODEL_CORRUPT"],
    ["is empty", (files) => (files[RECORD] = "{}"), "ERR_MODEL_CORRUPT"],
    ["has another format", edit((record) => (record.format = 2)), "ERR_NOT_SUPPORTED"],
    ["has a format that is none", edit((record) => (record.format = "1")), "ERR_MODEL_CORRUPT"],
    ["has more in it", edit((record) => (record.source = "import os")), "ERR_MODEL_CORRUPT"],
    ["has a dtype that is none", edit((record) => (record.dtype = "int8")), "ERR_MODEL_CORRUPT"],
    ["has another pooling rule", edit((record) => (record.pooling = "every-token")), "ERR_MODEL_CORRUPT"],
    ["has a negative size", edit((record) => (record.tensors[0]!.shape = [-1, 8])), "ERR_MODEL_CORRUPT"],
    ["has a huge size", edit((record) => (record.tensors[0]!.shape[0] = 2 ** 50)), "ERR_MODEL_CONFIG"],
    ["lacks a tensor", edit((record) => record.tensors.pop()), "ERR_WEIGHTS"],
    ["has no tensors", edit((record) => (record.tensors = [])), "ERR_WEIGHTS"],
    [
      "makes a weight of other tensors",
      edit((record) => {
        const weights = Object.values(record.weights["model.layers.0"]!).flat();
        weights.find((weight) => weight && weight.parts.length > 1)!.parts.reverse();
      }),
      "ERR_NOT_SUPPORTED",
    ],
    ["has no weights", edit((record) => (record.weights = {})), "ERR_NOT_SUPPORTED"],
    ["has no config beside it", (files) => delete files["config.json"], "ERR_MODEL_CORRUPT"],
    ["has a config that is not JSON", (files) => (files["config.json"] = "?"), "ERR_MODEL_CONFIG"],
    ["has another config", editConfig({ hidden_size: 4096 }), "ERR_MODEL_CONFIG"],
    ["has a hostile config", editConfig({ num_hidden_layers: 2 ** 40 }), "ERR_MODEL_CONFIG"],
    ["has the config of another family", editConfig({ model_type: "other" }), "ERR_UNSUPPORTED_ARCHITECTURE"],
  ])("%s: refused", async (_, files, code) => {
    const { source, archive } = await exportFixture(binding, readFixture("llama-grouped"), { files });
    source.close();
    const error = await rejection(openExported(binding, archive));
    expect(error.code, error.message).toBe(code);
  });

  it("has weights of other sizes than the archive: refused when they are read", async () => {
    const fixture = readFixture("llama-grouped");
    const files = { current: {} as Files };
    const small = readFixture("llama-one-layer-three-labels");
    const donor = await exportFixture(binding, small, { files: (own) => (files.current = { ...own }) });
    const victim = await exportFixture(binding, fixture, {
      files: (own) => Object.assign(own, files.current),
    });
    const exported = await reopen(victim.archive);
    const error = await rejection(scoresOf(exported, small, "float32"));
    expect(error.code).toBe("ERR_WEIGHTS");
    for (const source of [donor.source, victim.source, exported]) source.close();
  });
});

it("broken anywhere it is an error or the same scores, never a crash", async () => {
  const fixture = readFixture("llama-one-layer-three-labels");
  const { source, archive } = await exportFixture(binding, fixture);
  source.close();
  const whole = readFileSync(archive);
  const broken = `${archive}.broken.pt`;
  copyFileSync(archive, broken);
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(whole);
    // Spread over the file, with more of it on the directory at its end.
    const at = i % 2 === 0 ? Math.floor((whole.length * i) / 300) : whole.length - 1 - ((i * 37) % 4000);
    bytes[at]! ^= 1 << (i % 8);
    writeFileSync(broken, bytes);
    try {
      const exported = await openExported(binding, broken);
      if (!exported) continue;
      await scoresOf(exported, fixture, "float32").finally(() => exported.close());
    } catch (error) {
      expect(error).toBeInstanceOf(RewardModelScoreError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(20);
});
