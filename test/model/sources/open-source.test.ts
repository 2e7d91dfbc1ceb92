import { copyFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, beforeEach, expect, it, vi, type Mock } from "vitest";
import { locateModel, type ModelFiles } from "#lib/model/locate.js";
import { ArchiveSource } from "#lib/model/sources/archive.js";
import { openSource } from "#lib/model/sources/open-source.js";
import { ProgramSource } from "#lib/model/sources/program.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { archivePath, openBinding } from "../../native/archives.js";
import { exportFixture } from "../../parity/exported.js";
import { readFixture } from "../../parity/fixtures.js";
import { writeCheckpoint } from "../../parity/tiny-checkpoint.js";
import { temporaryFolder } from "../../temporary-folder.js";

let real: NativeBinding;
let binding: NativeBinding;
/** Of each checkpoint that was opened: its closing. */
let closings: Mock<() => void>[];
beforeAll(async () => {
  real = await openBinding();
});
beforeEach(() => {
  closings = [];
  binding = {
    ...real,
    openCheckpoint: async (paths) => {
      const checkpoint = await real.openCheckpoint(paths);
      closings.push(vi.spyOn(checkpoint, "close"));
      return checkpoint;
    },
  };
});

const fixture = readFixture("llama-grouped");
const unsupported = {
  ...fixture,
  config: { ...fixture.config, model_type: "other", architectures: ["Other"] },
};

/** A folder with a checkpoint, and beside it the archive at a path. */
async function folderWith(checkpoint: typeof fixture, archive?: string): Promise<ModelFiles> {
  const { directory } = writeCheckpoint(checkpoint);
  if (archive !== undefined) copyFileSync(archive, join(directory, "model.pt"));
  return locateModel(directory);
}

/** An archive of the checkpoint, which this package exported. */
async function exported(files?: (files: Record<string, string>) => void): Promise<string> {
  const { source, archive } = await exportFixture(real, fixture, files && { files });
  source.close();
  return archive;
}

const bytesOf = (path: string) => statSync(path).size;
const unclosed = () => closings.filter(({ mock }) => mock.calls.length === 0);

it("a checkpoint comes before an archive beside it, also one that was exported from it", async () => {
  for (const archive of [archivePath("column.pt"), await exported()]) {
    const files = await folderWith(fixture, archive);
    const source = await openSource(binding, files);
    expect(source).toBeInstanceOf(ProgramSource);
    expect(source).toMatchObject({ bytes: bytesOf(files.weights[0]!), inputs: { inputFormat: "chat" } });
    expect(unclosed()).toHaveLength(1);
    source.close();
    expect(unclosed()).toEqual([]);
  }
});

it("a checkpoint without a program leaves the place to an archive beside it, whoever made that", async () => {
  for (const archive of [archivePath("column.pt"), await exported()]) {
    const source = await openSource(binding, await folderWith(unsupported, archive));
    expect(source).toBeInstanceOf(ArchiveSource);
    expect(source).toMatchObject({ bytes: bytesOf(archive), inputs: {}, unusedTensors: [], warnings: [] });
    expect(closings.length).toBeGreaterThan(0);
    expect(unclosed()).toEqual([]);
  }
});

it("a checkpoint without a program, and without an archive, is refused and closed", async () => {
  await expect(openSource(binding, await folderWith(unsupported))).rejects.toMatchObject({
    code: "ERR_UNSUPPORTED_ARCHITECTURE",
  });
  expect(closings).toHaveLength(1);
  expect(unclosed()).toEqual([]);
});

it("a checkpoint that is wrong is refused and closed, and no archive takes its place", async () => {
  const files = await folderWith(
    { ...fixture, config: { ...fixture.config, hidden_size: "many" } },
    archivePath("column.pt"),
  );
  await expect(openSource(binding, files)).rejects.toMatchObject({ code: "ERR_MODEL_CONFIG" });
  expect(closings).toHaveLength(1);
  expect(unclosed()).toEqual([]);
});

it("an exported archive is known by its record, and is a program", async () => {
  const archive = await exported();
  const source = await openSource(binding, await locateModel(archive));
  expect(source).toBeInstanceOf(ProgramSource);
  expect(source).toMatchObject({ bytes: bytesOf(archive), inputs: { inputFormat: "chat" } });
  expect(unclosed()).toHaveLength(1);
  source.close();
  expect(unclosed()).toEqual([]);
});

it("an exported archive whose record is wrong is refused, and not run as another", async () => {
  const archive = await exported((files) => (files["reward_model_score.json"] = "{"));
  await expect(openSource(binding, await locateModel(archive))).rejects.toMatchObject({
    code: "ERR_MODEL_CORRUPT",
  });
  expect(unclosed()).toEqual([]);
});

it("an archive that came from elsewhere is an archive", async () => {
  const path = archivePath("column.pt");
  const source = await openSource(binding, await locateModel(path));
  expect(source).toBeInstanceOf(ArchiveSource);
  expect(source).toMatchObject({ bytes: bytesOf(path) });
  expect(unclosed()).toEqual([]);
});

it("what is no archive is refused as libtorch refuses it", async () => {
  const path = join(temporaryFolder("source"), "model.pt");
  writeFileSync(path, "no archive");
  await expect(openSource(binding, await locateModel(path))).rejects.toMatchObject({
    code: "ERR_NOT_TORCHSCRIPT",
  });
});

it("files of no form are no model", async () => {
  const directory = dirname(archivePath("column.pt"));
  const files: ModelFiles = { directory, weights: [], archive: undefined };
  await expect(openSource(binding, files)).rejects.toMatchObject({
    code: "ERR_NOT_FOUND",
    details: { path: directory },
  });
});
