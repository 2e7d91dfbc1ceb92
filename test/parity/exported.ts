import { dirname, join } from "node:path";
import { fieldInputs, packingProgram, poolingProgram } from "#lib/architectures/padded-input.js";
import { locateModel } from "#lib/model/locate.js";
import { openCheckpoint } from "#lib/model/sources/checkpoint.js";
import { openExportedProgram, recordFiles } from "#lib/model/sources/exported-program.js";
import type { ProgramSource } from "#lib/model/sources/program.js";
import type { Dtype, NativeBinding } from "#lib/native/binding.js";
import { encodeMarker, fixtureNames, readFixture, type ArchitectureFixture } from "./fixtures.js";
import { writeCheckpoint, type StoredDtype } from "./tiny-checkpoint.js";

/** A process reward model has a score for every step and cannot be exported. */
export const exportable = fixtureNames.map(readFixture).filter(({ float32, rows }) => {
  return float32.scores.length === rows.length && new Set(float32.scores.map((row) => row.length)).size === 1;
});

export interface ExportedFixture {
  /** The checkpoint that the archive was made from; the caller closes it. */
  source: ProgramSource;
  archive: string;
}

/** Writes the fixture's checkpoint and its archive; both go with the test. */
export async function exportFixture(
  binding: NativeBinding,
  fixture: ArchitectureFixture,
  options: { dtype?: Dtype; stored?: StoredDtype; files?: (files: Record<string, string>) => void } = {},
): Promise<ExportedFixture> {
  const { dtype = "float32", stored = "F32", files: change } = options;
  const { directory } = writeCheckpoint(fixture, { dtype: stored });
  return exportFolder(binding, directory, fixture, { dtype, change });
}

/** Writes the archive of a fixture's checkpoint beside it. */
export async function exportFolder(
  binding: NativeBinding,
  directory: string,
  fixture: ArchitectureFixture,
  { dtype, change }: { dtype: Dtype; change?: ((files: Record<string, string>) => void) | undefined },
): Promise<ExportedFixture> {
  const source = (await openCheckpoint(binding, await locateModel(directory)))!;
  const { pooling, tokenFields } = source.architecture;
  const extraFiles = recordFiles(source, dtype, pooling);
  change?.(extraFiles);
  const archive = join(directory, "model.pt");
  await binding.exportProgram(
    { ...source.spec, extraFiles },
    {
      checkpoint: source.checkpoint,
      dtype,
      output: archive,
      pooling: poolingProgram(pooling, encodeMarker(fixture)),
      packing: packingProgram(),
      fields: fieldInputs(tokenFields),
    },
  );
  return { source, archive };
}

/** Opens an archive beside which there is nothing; undefined for one that came from elsewhere. */
export async function openExported(
  binding: NativeBinding,
  archive: string,
): Promise<ProgramSource | undefined> {
  return openExportedProgram(binding, { directory: dirname(archive), weights: [], archive });
}
