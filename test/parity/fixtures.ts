import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TensorInfo } from "#lib/native/binding.js";

const folder = fileURLToPath(new URL("../fixtures/architectures/", import.meta.url));

/** What scripts/fixtures/architectures/generate.py writes. */
export interface ArchitectureFixture {
  name: string;
  config: Record<string, unknown> & { model_type: string; gate_pattern?: number[] };
  /** [shape, offset, exponent] by tensor name */
  tensors: Record<string, [shape: number[], offset: number, exponent: number]>;
  stepToken?: number;
  rows: number[][];
  /** Token types of each row, for models that read them. */
  types?: number[][];
  /** By row; a process reward model has one score for each step. */
  float32: { scores: number[][]; rewards?: number[][]; gating?: number[][] };
  bfloat16: { scores: number[][] };
}

export const fixtureNames = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length));

export function readFixture(name: string): ArchitectureFixture {
  return {
    name,
    ...(JSON.parse(readFileSync(`${folder}${name}.json`, "utf8")) as object),
  } as ArchitectureFixture;
}

/** What the headers of the checkpoint's file say. */
export function tensorInfos(fixture: ArchitectureFixture): TensorInfo[] {
  return Object.entries(fixture.tensors).map(([name, [shape]]) => ({ name, shape, dtype: "F32", file: 0 }));
}

/** Stands for the model's tokenizer: the ids of the texts that pooling rules name. */
export function encodeMarker(fixture: ArchitectureFixture): (text: string) => number[] {
  return (text) => (text.includes("assistant") ? fixture.config.gate_pattern! : [fixture.stepToken!]);
}
