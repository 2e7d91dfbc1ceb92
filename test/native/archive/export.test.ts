import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import { packingProgram } from "#lib/architectures/padded-input.js";
import type { Dtype, ExportOptions, NativeCheckpoint } from "#lib/native/binding.js";
import { openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { writeSafetensors } from "../weights/safetensors-file.js";
import { pack, toySpec, toyTensors } from "../toy-program.js";
import { stagesOn } from "../stages-on.js";
import { sharedFolder } from "../../temporary-folder.js";

let engine: EngineTest;
const folder = sharedFolder("export");
let checkpoint: NativeCheckpoint;

beforeAll(async () => {
  engine = await openEngineTest();
  checkpoint = await engine.openCheckpoint([writeSafetensors(join(folder, "toy.safetensors"), toyTensors())]);
});

const lastToken: ExportOptions["pooling"] = {
  source: `def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tuple[Tensor, Tensor]:
    return attention_mask.sum(1) - self.offset, torch.empty([0]).long()
`,
  attributes: { offset: { int: 1 } },
};

const rows = [[7], [1, 2, 3], Array.from({ length: 70 }, (_, index) => (index * 7) % 50), [4, 4]];

async function exported(dtype: Dtype): Promise<string> {
  const output = join(folder, `${dtype}.pt`);
  await engine.exportProgram(
    { ...toySpec(), extraFiles: { "config.json": '{"a": "ü"}' } },
    { checkpoint, dtype, output, pooling: lastToken, packing: packingProgram(), fields: {} },
  );
  return output;
}

it.each([
  ["float32", 1e-5],
  ["bfloat16", 3e-2],
] as const)("an archive gives the program's scores in %s", async (dtype, tolerance) => {
  const program = await engine.loadProgram(toySpec(), {
    checkpoint,
    dtype,
    threads: 0,
    ...stagesOn(toySpec(), "cpu"),
  });
  const wanted = await program.forward(pack(rows));
  await program.dispose();
  const path = await exported(dtype);
  const archive = await engine.loadArchive({
    path,
    device: "cpu",
    dtypes: computeDtypes("auto", "cpu"),
    threads: 0,
    padTokenId: 0,
  });
  const found = await archive.forward({ ...pack(rows), pooled: new Int32Array() });
  await archive.dispose();
  expect(found.labels).toBe(wanted.labels);
  found.scores.forEach((score, index) =>
    expect(Math.abs(score - wanted.scores[index]!)).toBeLessThan(tolerance),
  );
});

it("an archive holds the extra files and nothing is left beside it", async () => {
  const content = readFileSync(await exported("float32"));
  expect(content.includes("extra/config.json")).toBe(true);
  expect(content.includes(Buffer.from('{"a": "ü"}'))).toBe(true);
  expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
});

it("a folder that does not exist is an error, and nothing is written", async () => {
  const output = join(folder, "missing", "model.pt");
  const error = await rejection(
    engine.exportProgram(toySpec(), {
      checkpoint,
      dtype: "float32",
      output,
      pooling: lastToken,
      packing: packingProgram(),
      fields: {},
    }),
  );
  expect([error.code, error.details]).toEqual(["ERR_IO", { path: output }]);
  expect(existsSync(join(folder, "missing"))).toBe(false);
});

it("a program whose weights do not fit leaves no file", async () => {
  const spec = toySpec();
  spec.stages[0]!.weights["weight"] = {
    kind: "dense",
    dtype: "model",
    parts: [{ tensor: "absent" }],
    shape: [1],
  };
  const output = join(folder, "absent.pt");
  const error = await rejection(
    engine.exportProgram(spec, {
      checkpoint,
      dtype: "float32",
      output,
      pooling: lastToken,
      packing: packingProgram(),
      fields: {},
    }),
  );
  expect(error.code).toBe("ERR_WEIGHTS");
  expect(existsSync(output)).toBe(false);
});
