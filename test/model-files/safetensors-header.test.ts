import { describe, expect, it } from "vitest";
import { readSafetensorsHeader } from "#lib/model-files/safetensors-header.js";

function file(header: string | Buffer, claimed = Buffer.byteLength(header)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(64)]);
}

const read = (bytes: Buffer, asked: [number, number][] = []) =>
  readSafetensorsHeader(
    { path: "x.safetensors", prefix: "" },
    (start, end) => {
      asked.push([start, end]);
      return Promise.resolve(bytes.subarray(start, end));
    },
    3,
  );

describe("readSafetensorsHeader", () => {
  it("gives the tensors in the order of the file, and reads no more than the header", async () => {
    const header = JSON.stringify({
      __metadata__: { format: "pt" },
      b: { dtype: "BF16", shape: [2, 3], data_offsets: [0, 12] },
      a: { dtype: "F32", shape: [], data_offsets: [12, 16] },
    });
    const asked: [number, number][] = [];
    expect(await read(file(header), asked)).toEqual([
      { name: "b", dtype: "BF16", shape: [2, 3], file: 3 },
      { name: "a", dtype: "F32", shape: [], file: 3 },
    ]);
    expect(asked).toEqual([
      [0, 8],
      [8, 8 + header.length],
    ]);
  });

  it("puts the file's prefix in front of the names", async () => {
    const bytes = file(JSON.stringify({ weight: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }));
    const [tensor] = await readSafetensorsHeader(
      { path: "value_head.safetensors", prefix: "value_head:" },
      (start, end) => Promise.resolve(bytes.subarray(start, end)),
      0,
    );
    expect(tensor!.name).toBe("value_head:weight");
  });

  it("refuses a file of MLX by name", async () => {
    const header = (format: string) => JSON.stringify({ __metadata__: { format } });
    await expect(read(file(header("mlx")))).rejects.toMatchObject({
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringMatching(/x\.safetensors.*MLX.*converted from/) as string,
    });
    for (const text of [header("flax"), "{}", '{"__metadata__": null}'])
      expect(await read(file(text))).toEqual([]);
  });

  it.each([
    [Buffer.alloc(5), /too short/],
    [file("{}", 200_000_000), /claims 200000000 bytes/],
    [file("{}", 500), /ends inside its header of 500/],
    [file("[]"), /JSON object/],
    [file("{"), /JSON object/],
    [file('{"a": {"dtype": "F32"}}'), /JSON object/],
    [file('{"a": {"dtype": "F32", "shape": [-1]}}'), /JSON object/],
    [file(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), /JSON object/],
  ])("refuses %#", async (bytes, message) => {
    await expect(read(bytes)).rejects.toMatchObject({
      code: "ERR_MODEL_CORRUPT",
      message: expect.stringMatching(message) as string,
    });
  });
});
