import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { poolingProgram } from "#lib/architectures/pooling-program.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { batchOf, openBinding } from "../native/archives.js";
import { encodeMarker, fixtureNames, readFixture } from "./fixtures.js";
import { writeCheckpoint } from "./tiny-checkpoint.js";

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

const fixtures = fixtureNames.map(readFixture).filter(({ float32, rows }) => {
  // A process reward model has a score for every step and cannot be exported.
  return float32.scores.length === rows.length && new Set(float32.scores.map((row) => row.length)).size === 1;
});

it.each(fixtures.map((fixture) => [fixture.name, fixture] as const))(
  "%s: the exported archive gives the reference's scores on padded rows",
  async (_, fixture) => {
    const { directory, files } = writeCheckpoint(fixture);
    const checkpoint = await binding.openCheckpoint(files);
    const { spec, pooling } = describeArchitecture({
      config: fixture.config,
      tensors: checkpoint.tensors,
      files,
    });
    const path = join(directory, "model.pt");
    await binding.exportProgram(spec, {
      checkpoint,
      dtype: "float32",
      output: path,
      pooling: poolingProgram(pooling, encodeMarker(fixture)),
    });
    checkpoint.close();
    const options = { path, device: "cpu", dtype: "auto", threads: 1, padTokenId: 0 } as const;
    const archive = await binding.loadArchive(options);
    const { scores } = await archive.forward(batchOf(fixture.rows));
    await archive.dispose();
    const expected = fixture.float32.scores.flat();
    expect(scores).toHaveLength(expected.length);
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((score, i) =>
      expect(Math.abs(scores[i]! - score) / scale, `score ${i}`).toBeLessThan(1e-4),
    );
  },
);

it("a row without the token that the head reads scores NaN, and its neighbours their own", async () => {
  const fixture = readFixture("armorm");
  const { directory, files } = writeCheckpoint(fixture);
  const checkpoint = await binding.openCheckpoint(files);
  const { spec, pooling } = describeArchitecture({
    config: fixture.config,
    tensors: checkpoint.tensors,
    files,
  });
  const path = join(directory, "model.pt");
  const program = poolingProgram(pooling, encodeMarker(fixture));
  await binding.exportProgram(spec, { checkpoint, dtype: "float32", output: path, pooling: program });
  checkpoint.close();
  const archive = await binding.loadArchive({
    path,
    device: "cpu",
    dtype: "auto",
    threads: 1,
    padTokenId: 0,
  });
  const { scores } = await archive.forward(batchOf([fixture.rows[0]!, [1], fixture.rows[1]!]));
  await archive.dispose();
  expect(scores[1]).toBeNaN();
  expect(scores[0]).toBeCloseTo(fixture.float32.scores[0]![0]!, 4);
  expect(scores[2]).toBeCloseTo(fixture.float32.scores[1]![0]!, 4);
});
