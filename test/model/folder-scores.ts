import { expect } from "vitest";
import { createPooling } from "#lib/architectures/pooling.js";
import { locateModel } from "#lib/model/locate.js";
import { openCheckpoint } from "#lib/model/sources/checkpoint.js";
import type { ProgramSource } from "#lib/model/sources/program.js";
import type { Dtype, NativeBinding } from "#lib/native/binding.js";
import { stagesOn } from "../native/stages-on.js";
import type { ArchitectureFixture } from "../parity/fixtures.js";
import { packRows } from "../parity/program.js";

/** Scores of the fixture's rows by the checkpoint in a folder. */
export async function scores(
  binding: NativeBinding,
  directory: string,
  fixture: ArchitectureFixture,
  { dtype = "float32", device = "cpu" }: { dtype?: Dtype; device?: string } = {},
): Promise<number[]> {
  return scoresOf(binding, (await openCheckpoint(binding, await locateModel(directory)))!, fixture, {
    dtype,
    device,
  });
}

/** The same of a source, which is closed. */
export async function scoresOf(
  binding: NativeBinding,
  { checkpoint, architecture, spec }: ProgramSource,
  fixture: ArchitectureFixture,
  { dtype, device }: { dtype: Dtype; device: string },
): Promise<number[]> {
  const model = await binding.loadProgram(spec, {
    checkpoint,
    dtype,
    threads: 1,
    ...stagesOn(spec, device),
  });
  checkpoint.close();
  const pool = createPooling(architecture.pooling, () => []);
  const positions = fixture.rows.map((row) => pool(Int32Array.from(row)));
  const { scores } = await model.forward(packRows(fixture, positions, [...fixture.rows.keys()]));
  await model.dispose();
  return Array.from(scores);
}

export function expectScores(actual: number[], { float32 }: ArchitectureFixture) {
  for (const [row, expected] of float32.scores.entries()) expect(actual[row]).toBeCloseTo(expected[0]!, 4);
}
