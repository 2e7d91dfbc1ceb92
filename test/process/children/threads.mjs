// Loads a model with so many threads, and scores with it; and reads a checkpoint's header that is worth several.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, binding, load } from "./setup.mjs";

const threads = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "threads-"));
try {
  const header = Buffer.alloc(16 << 20, " ").fill("{}", 0, 2);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const path = join(folder, "model.safetensors");
  writeFileSync(path, Buffer.concat([length, header]));
  await binding.openCheckpoint([path]);
  const model = await load("column", { threads });
  console.log((await model.forward(batchOf([1, 2], [3]))).scores.length);
} catch (error) {
  console.log(`${error.code} ${error.details.option}: ${error.message}`);
}
rmSync(folder, { recursive: true });
