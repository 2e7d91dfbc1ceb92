import { computeDtypes } from "#lib/model/compute-dtype.js";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { bytesOf, f32, writeRaw, writeSafetensors } from "./safetensors-file.js";
import { sharedFolder } from "../../temporary-folder.js";

let engine: EngineTest;
const folder = sharedFolder("safetensors");

beforeAll(async () => {
  engine = await openEngineTest();
});

const path = () => join(folder, "model.safetensors");
const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
const bytes = (count: number) => new Uint8Array(count);

describe("well-formed files", () => {
  it("lists the tensors of a file that the format's own library wrote", async () => {
    const file = fileURLToPath(new URL("../../fixtures/weights/tensors.safetensors", import.meta.url));
    const { tensors } = await engine.openCheckpoint([file]);
    const found = Object.fromEntries(
      tensors.map(({ name, dtype, shape, file }) => [name, { dtype, shape, file }]),
    );
    expect(found).toEqual({
      bf16: { dtype: "BF16", shape: [4, 6], file: 0 },
      empty: { dtype: "F32", shape: [0, 5], file: 0 },
      f16: { dtype: "F16", shape: [4, 6], file: 0 },
      f32: { dtype: "F32", shape: [4, 6], file: 0 },
      f64: { dtype: "F64", shape: [4, 6], file: 0 },
      i64: { dtype: "I64", shape: [3], file: 0 },
      row: { dtype: "F32", shape: [6], file: 0 },
      scalar: { dtype: "F32", shape: [], file: 0 },
      transposed: { dtype: "F32", shape: [6, 4], file: 0 },
    });
  });

  it.each([
    ["no tensors", "{}", bytes(0)],
    ["spaces after the header", `${JSON.stringify({ a: entry("F32", [1], [0, 4]) })}   `, bytes(4)],
    [
      "tensors in another order than their bytes",
      JSON.stringify({ b: entry("F32", [1], [4, 8]), a: entry("F32", [1], [0, 4]) }),
      bytes(8),
    ],
    ["a dtype that weights cannot have", JSON.stringify({ a: entry("F8_E4M3", [4], [0, 4]) }), bytes(4)],
    ["names beyond ASCII", JSON.stringify({ 'ключ\u0000"': entry("F32", [1], [0, 4]) }), bytes(4)],
    [
      "several empty tensors",
      JSON.stringify({ a: entry("F32", [0], [0, 0]), b: entry("F32", [0, 7], [0, 0]) }),
      bytes(0),
    ],
  ])("accepts %s", async (_, header, data) => {
    const checkpoint = await engine.openCheckpoint([writeRaw(path(), header, data)]);
    expect(checkpoint.tensors.map(({ name }) => name)).toEqual(Object.keys(JSON.parse(header) as object));
  });

  it("numbers the files of a sharded checkpoint", async () => {
    const first = writeSafetensors(join(folder, "1.safetensors"), { a: f32([1], [1]) });
    const second = writeSafetensors(join(folder, "2.safetensors"), { b: f32([1], [2]) });
    const { tensors } = await engine.openCheckpoint([first, second]);
    expect(tensors.map(({ name, file }) => [name, file])).toEqual([
      ["a", 0],
      ["b", 1],
    ]);
  });
});

describe("malformed files", () => {
  const huge = 2 ** 62;
  const text = (json: unknown) => JSON.stringify(json);
  const cases: [what: string, header: string | Uint8Array, data: Uint8Array, tensor?: string][] = [
    ["a header that is not UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d), bytes(0)],
    ["a header that does not start with {", ` ${text({ a: entry("F32", [1], [0, 4]) })}`, bytes(4)],
    ["an empty header", "", bytes(0)],
    ["a header that is a list", "[]", bytes(0)],
    ["a header that is cut off", '{"a": {"dtype": "F32"', bytes(4)],
    ["text after the header", `${text({ a: entry("F32", [1], [0, 4]) })} x`, bytes(4)],
    ["zeros after the header", `${text({ a: entry("F32", [1], [0, 4]) })}\0\0`, bytes(4)],
    ["a header nested a million times", '{"a":'.repeat(1e6), bytes(0)],
    ["metadata that is no object", text({ __metadata__: 1 }), bytes(0)],
    ["metadata that is not text", text({ __metadata__: { a: 1 } }), bytes(0)],
    ["a tensor that is no object", text({ a: 1 }), bytes(0), "a"],
    ["no dtype", text({ a: { shape: [1], data_offsets: [0, 4] } }), bytes(4), "a"],
    ["no shape", text({ a: { dtype: "F32", data_offsets: [0, 4] } }), bytes(4), "a"],
    ["no offsets", text({ a: { dtype: "F32", shape: [1] } }), bytes(4), "a"],
    ["a dtype that is no text", text({ a: entry(1 as never, [1], [0, 4]) }), bytes(4), "a"],
    ["an unknown dtype", text({ a: entry("F33", [1], [0, 4]) }), bytes(4), "a"],
    ["two dtypes", '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4), "a"],
    ["a shape that is no list", text({ a: entry("F32", 1, [0, 4]) }), bytes(4), "a"],
    ["a negative size", text({ a: entry("F32", [-1], [0, 4]) }), bytes(4), "a"],
    ["two negative sizes", text({ a: entry("F32", [-1, -1], [0, 4]) }), bytes(4), "a"],
    ["a fractional size", text({ a: entry("F32", [1.5], [0, 6]) }), bytes(6), "a"],
    [
      "a size beyond 64 bits",
      '{"a":{"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]}}',
      bytes(4),
    ],
    [
      "a shape that overflows",
      `{"a":{"dtype":"F32","shape":[${huge},${huge}],"data_offsets":[0,0]}}`,
      bytes(0),
      "a",
    ],
    [
      "a shape that overflows to its size",
      '{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}',
      bytes(4),
      "a",
    ],
    [
      "a shape that overflows beside a 0",
      `{"a":{"dtype":"F32","shape":[0,${huge},${huge}],"data_offsets":[0,0]}}`,
      bytes(0),
      "a",
    ],
    ["too many dimensions", text({ a: entry("F32", Array(100_000).fill(1), [0, 4]) }), bytes(4), "a"],
    ["more bytes than the shape needs", text({ a: entry("F32", [1], [0, 8]) }), bytes(8), "a"],
    ["fewer bytes than the shape needs", text({ a: entry("F32", [3], [0, 8]) }), bytes(8), "a"],
    ["half a byte", text({ a: entry("F4", [1], [0, 1]) }), bytes(1), "a"],
    ["one offset", text({ a: entry("F32", [1], [0]) }), bytes(4), "a"],
    ["three offsets", text({ a: entry("F32", [1], [0, 4, 8]) }), bytes(4), "a"],
    ["a negative offset", text({ a: entry("F32", [2], [-4, 4]) }), bytes(4), "a"],
    ["offsets in reverse", text({ a: entry("F32", [1], [4, 0]) }), bytes(4), "a"],
    ["offsets beyond the file", text({ a: entry("F32", [2], [0, 8]) }), bytes(4), "a"],
    [
      "offsets beyond 64 bits",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551620]}}',
      bytes(4),
    ],
    [
      "tensors that overlap",
      text({ a: entry("F32", [2], [0, 8]), b: entry("F32", [1], [4, 8]) }),
      bytes(8),
      "b",
    ],
    [
      "the same bytes twice",
      text({ a: entry("F32", [1], [0, 4]), b: entry("F32", [1], [0, 4]) }),
      bytes(4),
      "b",
    ],
    ["a hole in front", text({ a: entry("F32", [1], [4, 8]) }), bytes(8), "a"],
    ["a hole between", text({ a: entry("F32", [1], [0, 4]), b: entry("F32", [1], [8, 12]) }), bytes(12), "b"],
    ["bytes that belong to no tensor", text({ a: entry("F32", [1], [0, 4]) }), bytes(8)],
    [
      "a name twice",
      '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      bytes(0),
      "a",
    ],
  ];

  it.each(cases)("refuses %s", async (_, header, data, tensor) => {
    const error = await rejection(engine.openCheckpoint([writeRaw(path(), header, data)]));
    expect(error.code).toBe("ERR_MODEL_CORRUPT");
    expect(error.details).toEqual(tensor === undefined ? { path: path() } : { path: path(), tensor });
    expect(error.message).toContain(path());
  });

  it.each([
    ["an empty file", bytes(0)],
    ["a file shorter than the header's length", bytes(7)],
    ["a header longer than the file", Uint8Array.of(100, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d)],
    ["a header of 2⁶⁴ - 1 bytes", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 0x7b, 0x7d)],
    ["a header above the format's limit", Uint8Array.of(1, 0xe1, 0xf5, 5, 0, 0, 0, 0, 0x7b, 0x7d)],
  ])("refuses %s", async (_, content) => {
    writeFileSync(path(), content);
    const error = await rejection(engine.openCheckpoint([path()]));
    expect([error.code, error.details]).toEqual(["ERR_MODEL_CORRUPT", { path: path() }]);
  });

  it("refuses a file of MLX by name", async () => {
    const header = (format: string) => JSON.stringify({ __metadata__: { made: "x", format } });
    const error = await rejection(engine.openCheckpoint([writeRaw(path(), header("mlx"))]));
    expect([error.code, error.details]).toEqual(["ERR_NOT_SUPPORTED", { feature: "MLX" }]);
    expect(error.message).toMatch(/model\.safetensors.*MLX.*converted from/);
    expect((await engine.openCheckpoint([writeRaw(path(), header("flax"))])).tensors).toEqual([]);
  });

  it("refuses every truncation of a file", async () => {
    const whole = Buffer.from(bytesOf(Uint8Array.from([...Array(40).keys()])));
    writeSafetensors(path(), { a: { dtype: "U8", shape: [40], data: whole } });
    const content = readFileSync(path());
    for (let length = 0; length < content.length; length += 3) {
      writeFileSync(path(), content.subarray(0, length));
      expect((await rejection(engine.openCheckpoint([path()]))).code).toBe("ERR_MODEL_CORRUPT");
    }
  });

  it("names the second file when two shards hold the same tensor", async () => {
    const first = writeSafetensors(join(folder, "1.safetensors"), { a: f32([1], [1]) });
    const second = writeSafetensors(join(folder, "2.safetensors"), { a: f32([1], [2]) });
    const error = await rejection(engine.openCheckpoint([first, second]));
    expect([error.code, error.details]).toEqual(["ERR_MODEL_CORRUPT", { path: second, tensor: "a" }]);
  });

  it("names a file that does not exist, and a folder", async () => {
    const missing = join(folder, "missing.safetensors");
    expect((await rejection(engine.openCheckpoint([missing]))).code).toBe("ERR_NOT_FOUND");
    expect((await rejection(engine.openCheckpoint([folder]))).code).toBe("ERR_IO");
  });

  it.skipIf(process.platform === "win32")("does not wait for what is no regular file", async () => {
    const pipe = join(folder, "pipe.safetensors");
    execFileSync("mkfifo", [pipe]);
    const socket = join(folder, "socket.safetensors");
    const server = createServer().listen(socket);
    for (const special of [pipe, socket, "/dev/zero", "/dev/tty"]) {
      const open = engine.openCheckpoint([special]);
      expect(await rejection(open), special).toMatchObject({ code: "ERR_IO", details: { path: special } });
      const archive = {
        path: special,
        device: "cpu",
        dtypes: computeDtypes("auto", "cpu"),
        threads: 0,
        padTokenId: 0,
      } as const;
      expect(await rejection(engine.loadArchive(archive)), special).toMatchObject({ code: "ERR_IO" });
      expect(await rejection(engine.readExtraFile(special, "config.json")), special).toMatchObject({
        code: "ERR_IO",
      });
    }
    server.close();
  });
});

/** Any change of any byte is refused or harmless: the engine never reads outside the file. */
it("survives random damage to headers", async () => {
  const header = JSON.stringify({ a: entry("F32", [2, 3], [0, 24]), "b.c": entry("BF16", [4], [24, 32]) });
  let state = 12345;
  const random = (limit: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % limit;
  for (let i = 0; i < 500; ++i) {
    const damaged = Buffer.from(header);
    for (let n = random(4); n >= 0; --n) damaged[random(damaged.length)] = random(256);
    writeRaw(path(), damaged, bytes(32));
    const result = await engine.openCheckpoint([path()]).catch((error: unknown) => error);
    if (result instanceof Error) expect(result).toHaveProperty("code", "ERR_MODEL_CORRUPT");
  }
});
