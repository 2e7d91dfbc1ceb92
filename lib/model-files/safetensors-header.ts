import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import type { CheckpointFile, TensorInfo } from "../native/binding.js";

/** Reads bytes of a file, from `start` up to but without `end`. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

/** The format's own limit. */
const LONGEST_HEADER = 100_000_000;

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const schema = v.objectWithRest(
  { __metadata__: v.optional(v.unknown()) },
  v.object({ dtype: v.string(), shape: v.array(natural) }),
);

const ofMlx = v.object({ format: v.literal("mlx") });

/**
 * The tensors of a safetensors file from its header, wherever the file is: 8 bytes of header length N (little endian),
 * then N bytes of JSON. https://github.com/huggingface/safetensors#format
 *
 * @param file what `TensorInfo.file` is to be
 * @throws ERR_MODEL_CORRUPT, ERR_NOT_SUPPORTED for a file of MLX
 */
export async function readSafetensorsHeader(
  { path, prefix }: CheckpointFile,
  read: ReadRange,
  file: number,
): Promise<TensorInfo[]> {
  const corrupt = (what: string) =>
    new RewardModelScoreError("ERR_MODEL_CORRUPT", `${path} is no safetensors file: ${what}.`, { path });
  const start = await read(0, 8);
  if (start.length < 8) throw corrupt("it is too short for a header");
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > LONGEST_HEADER) throw corrupt(`its header claims ${length} bytes`);
  const bytes = await read(8, 8 + length);
  if (bytes.length < length) throw corrupt(`it ends inside its header of ${length} bytes`);
  const header = v.safeParse(schema, parseJson(bytes));
  if (!header.success) throw corrupt("its header is not the JSON object that the format describes");
  const { __metadata__: metadata, ...tensors } = header.output;
  if (v.is(ofMlx, metadata)) throw savedByMlx(path);
  return Object.entries(tensors).map(([name, { dtype, shape }]) => ({
    name: prefix + name,
    dtype,
    shape,
    file,
  }));
}

/** As the reader of native/weights has it. */
function savedByMlx(path: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${path} was saved by MLX, as its metadata says. Use the model that it was converted from.`,
    { feature: "MLX" },
  );
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Array.isArray(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
