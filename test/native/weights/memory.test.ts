import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { StageSpec } from "#lib/native/binding.js";
import { openEngineTest, referenceOps } from "../engine-test.js";
import { stagesOn } from "../stages-on.js";
import { temporaryFolder } from "../../temporary-folder.js";

const rows = 2048;
const columns = 2048;
const bytes = rows * columns * 4;
const count = 8;

/** Of the factors of what an adapter adds: both have this many rows or columns. */
const rank = 4;
const factorBytes = rank * columns * 4;

/** Writes `count` tensors without holding them all, then the two factors. */
function writeCheckpoint(path: string): void {
  const entries = Array.from({ length: count }, (_, index) => [
    String(index),
    { dtype: "F32", shape: [rows, columns], data_offsets: [index * bytes, (index + 1) * bytes] },
  ]);
  const factor = (name: string, shape: number[], place: number) => {
    const start = count * bytes + place * factorBytes;
    entries.push([name, { dtype: "F32", shape, data_offsets: [start, start + factorBytes] }]);
  };
  factor("a", [rank, columns], 0);
  factor("b", [rows, rank], 1);
  const json = JSON.stringify(Object.fromEntries(entries));
  // Whole elements start at multiples of their size, as in the files that the format's own library writes.
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, "w");
  for (const part of [length, header]) writeSync(file, part);
  const tensor = Buffer.alloc(bytes, 1);
  for (let index = 0; index < count; ++index) writeSync(file, tensor);
  writeSync(file, tensor, 0, 2 * factorBytes);
  closeSync(file);
}

function mebibytes(field: "VmRSS" | "VmHWM"): number {
  const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`${field}:\\s+(\\d+) kB`));
  return Number(line![1]) / 1024;
}

/** What a loaded model takes beyond its own weights: the checkpoint's pages are given back as they are used. */
it.runIf(process.platform === "linux").each([
  ["alone", undefined],
  ["with an adapter on every one", { a: "a", b: "b", scale: 0.5 }],
])("loading holds one copy of the weights, %s", async (_what, delta) => {
  const folder = temporaryFolder("memory");
  const path = join(folder, "model.safetensors");
  writeCheckpoint(path);
  const engine = await openEngineTest();
  /** One that reads the first `length` rows of a tensor. */
  const stage = (index: number, length = rows): StageSpec => {
    const slice = { dim: 0, start: 0, end: length };
    const part = { tensor: String(index), ...(delta && { delta }), slice };
    const kind = index % 2 === 0 ? "linear" : "dense";
    return {
      name: String(index),
      source: "def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:\n    return x\n",
      attributes: {},
      weights: { weight: { kind, dtype: "model", parts: [part], shape: [length, columns] } },
    };
  };
  const checkpoint = await engine.openCheckpoint([path]);
  const load = async (stages: StageSpec[]) => {
    const options = {
      checkpoint,
      dtype: "float32",
      threads: 0,
      ...stagesOn({ stages }, "cpu"),
    } as const;
    return engine.loadProgram({ stages, reference: referenceOps }, options);
  };
  // Starts the engine's thread and libtorch's pools, with weights so small that it does not matter who keeps their memory.
  await (await load([stage(0, 16), stage(1, 16)])).dispose();
  writeFileSync("/proc/self/clear_refs", "5");
  const before = mebibytes("VmRSS");
  const model = await load(Array.from({ length: count }, (_, index) => stage(index)));
  const grown = mebibytes("VmHWM") - before;
  expect(grown).toBeGreaterThan((0.9 * count * bytes) / 2 ** 20);
  expect(grown).toBeLessThan((1.25 * count * bytes) / 2 ** 20);
  await model.dispose();
});
