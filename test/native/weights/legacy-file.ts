/** Files as torch.save wrote them before version 1.6, opcode by opcode. */
import { concat, dict, global, int, list, text, tuple } from "./pickle-opcodes.js";

export const NONE = Buffer.from("N");
export const TRUE = Buffer.from([0x88]);
export const FALSE = Buffer.from([0x89]);
export const MAGIC = Buffer.from("8a0a6cfc9c46f9206aa85019", "hex");
export const pickle = (value: Buffer) => concat(Buffer.from([0x80, 2]), value, ".");
/** As Python 2 has it. */
export const bytes = (value: string) => concat("U", Buffer.from([value.length]), value);

interface StorageOf {
  key?: string;
  type?: string;
  elements?: number;
  view?: Buffer;
  string?: (value: string) => Buffer;
}

export const storage = ({
  key = "0",
  type = "FloatStorage",
  elements = 4,
  view = NONE,
  string = text,
}: StorageOf = {}) =>
  concat(
    tuple(string("storage"), global("torch", type), string(key), string("cpu"), int(elements), view),
    "Q",
  );
export const tensor = (
  from: Buffer,
  { offset = 0, shape = [2], strides = [1], rebuild = "_rebuild_tensor_v2" } = {},
) =>
  concat(
    global("torch._utils", rebuild),
    tuple(from, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), FALSE, NONE),
    "R",
  );
export const count = (elements: bigint | number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(elements));
  return buffer;
};
export const floats = (...values: number[]) =>
  concat(count(values.length), Buffer.from(Float32Array.from(values).buffer));

/** A file of these pickles. */
export function legacyFile(
  state: Buffer,
  {
    keys = list(text("0")),
    data = floats(1, 2, 3, 4),
    system = dict({ little_endian: TRUE }),
    magic = MAGIC,
  } = {},
): Buffer {
  const version = concat("M", Buffer.from([0xe9, 0x03]));
  return concat(pickle(magic), pickle(version), pickle(system), pickle(state), pickle(keys), data);
}

/** One with these tensors. */
export function legacyStateDict(
  tensors: Record<string, { shape: readonly number[]; values: Float32Array }>,
): Buffer {
  const entries = Object.entries(tensors).map(([name, { shape, values }]) => {
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    return [
      name,
      tensor(storage({ key: name, elements: values.length }), { shape: [...shape], strides }),
    ] as const;
  });
  return legacyFile(dict(Object.fromEntries(entries)), {
    keys: list(...Object.keys(tensors).map(text)),
    data: concat(...Object.values(tensors).map(({ values }) => floats(...values))),
  });
}
