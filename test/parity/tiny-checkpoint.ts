import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArchitectureFixture } from "./fixtures.js";
import { tinyWeights } from "./tiny-weights.js";
import { temporaryFolder } from "../temporary-folder.js";

export type StoredDtype = "F32" | "F16" | "BF16";

/** Writes a fixture's config and weights as a checkpoint of the Hub; the folder goes with the test. */
export function writeCheckpoint(
  fixture: ArchitectureFixture,
  options: { dtype?: StoredDtype; shards?: number } = {},
): { directory: string; files: string[] } {
  const { dtype = "F32", shards = 1 } = options;
  const directory = temporaryFolder("tiny-checkpoint");
  writeFileSync(join(directory, "config.json"), JSON.stringify(fixture.config));
  const names = Object.keys(fixture.tensors);
  const files = Array.from({ length: shards }, (_, shard) => {
    const mine = names.filter((_, i) => i % shards === shard);
    const file = join(directory, shards === 1 ? "model.safetensors" : shardName(shard, shards));
    writeFileSync(
      file,
      safetensors(
        mine.map((name) => [name, ...fixture.tensors[name]!]),
        dtype,
      ),
    );
    return file;
  });
  if (shards > 1) {
    const weightMap = Object.fromEntries(names.map((name, i) => [name, shardName(i % shards, shards)]));
    writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  }
  return { directory, files };
}

function shardName(shard: number, shards: number): string {
  const number = (n: number) => String(n).padStart(5, "0");
  return `model-${number(shard + 1)}-of-${number(shards)}.safetensors`;
}

type NamedRecipe = [name: string, shape: number[], offset: number, exponent: number];

function safetensors(tensors: NamedRecipe[], dtype: StoredDtype): Buffer {
  const header: Record<string, object> = { __metadata__: { format: "pt" } };
  const bodies: Buffer[] = [];
  let offset = 0;
  for (const [name, shape, base, exponent] of tensors) {
    const count = shape.reduce((product, size) => product * size, 1);
    const body = store(tinyWeights(name, count, base, exponent), dtype);
    header[name] = { dtype, shape, data_offsets: [offset, offset + body.length] };
    offset += body.length;
    bodies.push(body);
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...bodies]);
}

/** The values are exact in every dtype, so that only normal numbers and zero have to be converted. */
function store(values: Float32Array, dtype: StoredDtype): Buffer {
  if (dtype === "F32") return Buffer.from(values.buffer);
  const bits = new Uint32Array(values.buffer);
  return Buffer.from(
    Uint16Array.from(bits, (bit) => {
      if (dtype === "BF16") return bit >>> 16;
      if (bit << 1 === 0) return bit >>> 16;
      return ((bit >>> 16) & 0x8000) | ((((bit >>> 23) & 0xff) - 112) << 10) | ((bit >>> 13) & 0x3ff);
    }).buffer,
  );
}
