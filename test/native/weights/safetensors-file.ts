/** Writes safetensors files, well-formed and otherwise. */
import { writeFileSync } from "node:fs";

export interface FileTensor {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function f32(shape: number[], values: ArrayLike<number>): FileTensor {
  return { dtype: "F32", shape, data: bytesOf(Float32Array.from(values)) };
}

/** A file of a header, given as text or bytes, and the tensors' bytes. */
export function writeRaw(
  path: string,
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(),
): string {
  const bytes = typeof header === "string" ? Buffer.from(header) : header;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  writeFileSync(path, Buffer.concat([length, bytes, data]));
  return path;
}

export function writeSafetensors(path: string, tensors: Record<string, FileTensor>): string {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  return writeRaw(
    path,
    JSON.stringify(header),
    Buffer.concat(Object.values(tensors).map((tensor) => tensor.data)),
  );
}
