import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { NativeBinding, PackedBatch } from "#lib/native/binding.js";
import {
  type ArchiveChoices,
  archiveOptions,
  archivePath,
  batchOf,
  expectClose,
  expected,
  openBinding,
} from "../archives.js";
import { rejection } from "../engine-test.js";
import { sharedFolder } from "../../temporary-folder.js";

let binding: NativeBinding;
const folder = sharedFolder("archives");

beforeAll(async () => {
  binding = await openBinding();
});

async function score(name: string, batch: PackedBatch, options: ArchiveChoices = {}) {
  const model = await binding.loadArchive(archiveOptions(name, options));
  try {
    return await model.forward(batch);
  } finally {
    await model.dispose();
  }
}

describe("forms of the result", () => {
  it.each(["column", "flat", "pair", "logits", "score", "optional3", "traced"])(
    "%s gives one score a row",
    async (name) => {
      const { scores, labels, extra } = await score(`${name}.pt`, batchOf(expected.rows));
      expect(labels).toBe(1);
      expect(extra).toEqual({});
      expectClose(scores, expected.scores.flat());
    },
  );

  it("several labels a row", async () => {
    const { scores, labels } = await score("labels.pt", batchOf(expected.rows));
    expect(labels).toBe(3);
    expectClose(scores, expected.labels.flat());
  });

  it("one row at a time scores as the batch does", async () => {
    const model = await binding.loadArchive(archiveOptions("column.pt"));
    for (const [index, row] of expected.rows.entries()) {
      expectClose((await model.forward(batchOf([row]))).scores, expected.scores[index]!);
    }
    await model.dispose();
  });

  it("padding is masked, whatever its id", async () => {
    const { scores } = await score("column.pt", batchOf(expected.rows), { padTokenId: 31 });
    expectClose(scores, expected.scores.flat());
  });
});

describe("dtype", () => {
  it("auto keeps the archive's own", async () => {
    for (const [name, dtype] of [
      ["column.pt", "float32"],
      ["bfloat16.pt", "bfloat16"],
    ] as const) {
      const model = await binding.loadArchive(archiveOptions(name));
      expect(model.dtype).toBe(dtype);
      await model.dispose();
    }
  });

  it("a float32 archive runs in bfloat16, within its precision", async () => {
    const { scores } = await score("column.pt", batchOf(expected.rows), { dtype: "bfloat16" });
    expectClose(scores, expected.scores.flat(), 2e-2);
    expect([...scores]).not.toEqual(expected.scores.flat().map(Math.fround));
  });

  it("a bfloat16 archive runs in float32: nothing is rounded on the way", async () => {
    const model = await binding.loadArchive(archiveOptions("bfloat16.pt", { dtype: "float32" }));
    expect(model.dtype).toBe("float32");
    expectClose((await model.forward(batchOf(expected.rows))).scores, expected.bfloat16InFloat32.flat());
    await model.dispose();
  });

  it.each(["auto", "float16"] as const)("float16 (%s) is computed in float32 on a CPU", async (dtype) => {
    const model = await binding.loadArchive(archiveOptions("float16.pt", { dtype }));
    expect(model.dtype).toBe("float32");
    expectClose((await model.forward(batchOf(expected.rows))).scores, expected.scores.flat(), 2e-3);
    await model.dispose();
  });
});

describe("progress and size", () => {
  it("reports from 0 to 1, never backwards", async () => {
    const fractions: number[] = [];
    const model = await binding.loadArchive(
      archiveOptions("column.pt", { onProgress: (fraction) => fractions.push(fraction) }),
    );
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(model.bytes).toBe((32 * 8 + 8 * 16 + 16 + 16) * 4);
    await model.dispose();
  });
});

describe("files that are not what they should be", () => {
  function damaged(name: string, change: (bytes: Buffer) => Buffer): string {
    const path = join(folder, name);
    writeFileSync(path, change(readFileSync(archivePath("column.pt"))));
    return path;
  }

  it.each(["weights.pt", "other.zip", "expected.json"])("%s is not TorchScript", async (name) => {
    const error = await rejection(score(name, batchOf([[1]])));
    expect(error.code).toBe("ERR_NOT_TORCHSCRIPT");
    expect(error.message).toContain(archivePath(name));
    expect(error.details).toEqual({ path: archivePath(name) });
  });

  it("a directory is not TorchScript, and a missing file is missing", async () => {
    expect((await rejection(score(".", batchOf([[1]])))).code).toBe("ERR_NOT_TORCHSCRIPT");
    expect((await rejection(score("absent.pt", batchOf([[1]])))).code).toBe("ERR_NOT_FOUND");
  });

  it.each([0.1, 0.5, 0.9, 0.999])("cut off after %d of its bytes is corrupt", async (part) => {
    const path = damaged("cut.pt", (bytes) => bytes.subarray(0, Math.floor(bytes.length * part)));
    const error = await rejection(score("", batchOf([[1]]), { path }));
    expect(error.code).toBe("ERR_MODEL_CORRUPT");
    expect(error.details).toEqual({ path });
  });

  it("an empty file is corrupt", async () => {
    const path = damaged("empty.pt", (bytes) => bytes.subarray(0, 0));
    expect((await rejection(score("", batchOf([[1]]), { path }))).code).toBe("ERR_MODEL_CORRUPT");
  });

  it.each(["oneargument", "floatarguments", "integers", "scalar", "otherdict", "fixedshape"])(
    "%s has the wrong signature",
    async (name) => {
      const error = await rejection(score(`${name}.pt`, batchOf([[1]])));
      expect(error.code).toBe("ERR_MODEL_SIGNATURE");
      expect(error.message).toContain(archivePath(`${name}.pt`));
    },
  );

  it("a path with spaces and letters of other scripts", async () => {
    const path = join(folder, "größe 模型.pt");
    copyFileSync(archivePath("column.pt"), path);
    expectClose((await score("", batchOf(expected.rows), { path })).scores, expected.scores.flat());
  });
});

describe("failures while it runs", () => {
  const long = batchOf([new Array<number>(20).fill(3)]);

  it("the program's own error is told, with the whole text in the details", async () => {
    const error = await rejection(score("refuseslongrows.pt", long));
    expect(error.code).toBe("ERR_BACKEND");
    expect(error.message).toContain("rows of more than 16 tokens are refused");
    expect(error.message).not.toContain("\n");
    expect((error as RewardModelScoreError<"ERR_BACKEND">).details.detail).toContain(
      "Traceback of TorchScript",
    );
  });

  it("memory that runs out has its own code, and the model lives on", async () => {
    const model = await binding.loadArchive(archiveOptions("allocates.pt"));
    const error = await rejection(model.forward(long));
    expect(error.code).toBe("ERR_OUT_OF_MEMORY");
    expect(error.details).toEqual({ device: "cpu" });
    expectClose((await model.forward(batchOf(expected.rows))).scores, expected.scores.flat());
    await model.dispose();
  });

  it("an id beyond the vocabulary", async () => {
    const error = await rejection(score("column.pt", batchOf([[1, 77]])));
    expect(error.code).toBe("ERR_BACKEND");
    expect(error.message).toContain("index out of range");
  });
});

it("an archive reads the ids, whatever else is known of the tokens", async () => {
  const batch = batchOf(expected.rows);
  const fields = { ...batch.fields, token_types: new Int32Array(batch.fields.ids.length).fill(1) };
  const { scores } = await score("column.pt", { ...batch, fields });
  expect(scores).toEqual((await score("column.pt", batch)).scores);
});

describe("batches that make no sense are refused before they run", () => {
  const good = batchOf([[1, 2], [3]]);
  it.each<[string, Partial<PackedBatch>]>([
    ["lengths beyond the ids", { lengths: Int32Array.of(2, 2) }],
    ["lengths short of the ids", { lengths: Int32Array.of(1, 1) }],
    ["an empty segment", { lengths: Int32Array.of(3, 0) }],
    ["no rows", { ...batchOf([]) }],
    ["fewer parents than segments", { parents: Int32Array.of(-1) }],
    ["a parent that comes later", { parents: Int32Array.of(1, -1) }],
    ["a shared prefix", { parents: Int32Array.of(-1, 0) }],
    ["a negative id", { fields: { ids: Int32Array.of(1, -2, 3) } }],
    ["pooled tokens outside", { pooled: Int32Array.of(3) }],
    ["other arrays", { fields: { ids: Float32Array.of(1, 2, 3) as unknown as Int32Array } }],
  ])("%s", async (_name, change) => {
    expect((await rejection(score("column.pt", { ...good, ...change }))).code).toBe("ERR_INVALID_OPTION");
  });

  it("a device that does not exist", async () => {
    for (const device of ["cuda:99", "abacus"]) {
      const error = await rejection(binding.loadArchive(archiveOptions("column.pt", { device })));
      expect(error.code).toBe("ERR_DEVICE_UNAVAILABLE");
      expect(error.details).toEqual({ device });
    }
  });
});
