/** The toy program as a model that can be split: a table, a stage without weights that adds to the batch, two layers, a head. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeCheckpoint, NativeModel, PackedBatch, ProgramSpec } from "#lib/native/binding.js";
import type { EngineTest } from "../engine-test.js";
import { toySpec, toyTensors } from "../toy-program.js";
import { writeSafetensors } from "../weights/safetensors-file.js";

export const hidden = 64;

/** Bytes of the weights of a stage. */
export const bytes = {
  table: 4 * 50 * hidden,
  layer: 4 * (hidden + 2 * hidden * hidden + hidden * hidden + hidden),
  score: 4 * 2 * hidden,
};

/** The stages that hold weights, in order. */
export const stages = ["model.embed_tokens", "model.layers.0", "model.layers.1", "score"] as const;

export function splitSpec(): ProgramSpec {
  const spec = toySpec(2);
  const [embedding, ...rest] = spec.stages;
  embedding!.weights = {
    weight: { kind: "table", dtype: "model", parts: [{ tensor: "embed" }], shape: [50, hidden] },
  };
  embedding!.source = embedding!.source.replace(
    'torch.embedding(self.weight, batch["ids"])',
    'lookup(self.weight, batch["ids"]).to(x.dtype)',
  );
  const turns = {
    name: "model.turns",
    source: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    batch["turns"] = batch["positions"].float().unsqueeze(1).cos()
    return x
`,
    attributes: {},
    weights: {},
  };
  for (const stage of rest) {
    if (stage.name.includes("layers"))
      stage.source = stage.source.replace("linear(y, self.qkv)", 'linear(y * batch["turns"], self.qkv)');
  }
  return { ...spec, stages: [embedding!, turns, ...rest] };
}

/** Bytes of the tensors of a batch, those that stages add not counted. */
export function batchBytes({ fields, lengths, pooled, gates }: PackedBatch): number {
  return 16 * fields.ids.length + (16 + 8) * lengths.length + 16 * (pooled.length + gates.length);
}

/** Bytes that tell attention on a device which tokens to take, for rows of sizes so different that none is padded. */
export function planBytes({ fields, lengths }: PackedBatch): number {
  return 4 * (3 * fields.ids.length + 2 * lengths.length);
}

export interface OpenCheckpoint {
  checkpoint: NativeCheckpoint;
  remove(): void;
}

export async function openToyCheckpoint(engine: EngineTest): Promise<OpenCheckpoint> {
  const folder = mkdtempSync(join(tmpdir(), "placement-"));
  writeSafetensors(join(folder, "toy.safetensors"), toyTensors(2));
  const checkpoint = await engine.openCheckpoint([join(folder, "toy.safetensors")]);
  return { checkpoint, remove: () => rmSync(folder, { recursive: true }) };
}

/** Loads the program with a device for each of `stages`, and one for the stage without weights. */
export function place(
  engine: EngineTest,
  checkpoint: NativeCheckpoint,
  devices: readonly string[],
  executionDevice = devices.filter((device) => device.startsWith("sim")).toSorted()[0] ?? "cpu",
  turns = executionDevice,
): Promise<NativeModel> {
  const stageDevices = Object.fromEntries(stages.map((stage, index) => [stage, devices[index]!]));
  return engine.loadProgram(splitSpec(), {
    checkpoint,
    dtype: "float32",
    threads: 1,
    stageDevices: { "model.turns": turns, ...stageDevices },
    executionDevice,
  });
}
