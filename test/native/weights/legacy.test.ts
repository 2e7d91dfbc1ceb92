/** What torch.save wrote before version 1.6, opcode by opcode, so that it can be older than any torch at hand, or hostile. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { NativeCheckpoint } from "#lib/native/binding.js";
import { sharedFolder } from "../../temporary-folder.js";
import { openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { bound, dense } from "./bound.js";
import {
  bytes,
  count,
  FALSE,
  floats,
  legacyFile,
  MAGIC,
  NONE,
  pickle,
  storage,
  tensor,
} from "./legacy-file.js";
import { concat, dict, global, int, list, text, tuple } from "./pickle-opcodes.js";

let engine: EngineTest;
const folder = sharedFolder("legacy");
beforeAll(async () => {
  engine = await openEngineTest();
});

function open(content: Buffer): Promise<NativeCheckpoint> {
  const path = join(folder, "pytorch_model.bin");
  writeFileSync(path, content);
  return engine.openCheckpoint([path]);
}

const valuesOf = async (content: Buffer, name = "weight") =>
  (await bound(engine, await open(content), dense([2], { tensor: name }))).flat();

describe("reads", () => {
  it("tensors that share a storage, in the order of the file's keys", async () => {
    const state = dict({
      weight: tensor(storage({ key: "b" }), { offset: 2 }),
      strided: tensor(storage({ key: "b" }), { offset: 1, strides: [2] }),
      other: tensor(storage({ key: "a", elements: 2 })),
    });
    const content = legacyFile(state, {
      keys: list(text("a"), text("b")),
      data: concat(floats(8, 9), floats(1, 2, 3, 4)),
    });
    expect(await valuesOf(content)).toEqual([3, 4]);
    expect(await valuesOf(content, "strided")).toEqual([2, 4]);
    expect(await valuesOf(content, "other")).toEqual([8, 9]);
  });

  it("what Python 2 and the first torches wrote: texts of bytes, views of storages, another function", async () => {
    const view = tuple(bytes("7"), int(1), int(3));
    const from = storage({ string: bytes, view });
    const state = concat("}(", bytes("weight"), tensor(from, { offset: 1, rebuild: "_rebuild_tensor" }), "u");
    expect(await valuesOf(legacyFile(state, { keys: list(bytes("0")) }))).toEqual([3, 4]);
  });

  it("storages that it has no type for, to find those behind them", async () => {
    const state = dict({
      complex: tensor(storage({ key: "c", type: "ComplexDoubleStorage", elements: 1 }), { shape: [1] }),
      weight: tensor(storage()),
    });
    const content = legacyFile(state, {
      keys: list(text("c"), text("0")),
      data: concat(count(1), Buffer.alloc(16), floats(1, 2, 3, 4)),
    });
    expect(await valuesOf(content)).toEqual([1, 2]);
  });
});

describe("refuses", () => {
  const one = dict({ weight: tensor(storage()) });
  const claims = (elements: bigint) => concat(count(elements), Buffer.alloc(16));

  it.each<[string, Buffer, RegExp]>([
    [
      "a call",
      legacyFile(dict({ x: concat(global("os", "system"), tuple(text("true")), "R") })),
      /os\.system/,
    ],
    ["a call among the keys", legacyFile(one, { keys: concat(global("os", "abort"), ")R") }), /os\.abort/],
    ["a call in front", legacyFile(one, { system: concat(global("os", "abort"), ")R") }), /os\.abort/],
    [
      "a module that was saved whole",
      legacyFile(concat(tuple(text("module"), NONE, NONE, NONE), "Q")),
      /no storage/,
    ],
    ["what is no dict", legacyFile(list(tensor(storage()))), /not a dict/],
    [
      "a file without tensors",
      legacyFile(dict({ epoch: int(3) }), { keys: list(), data: Buffer.alloc(0) }),
      /no tensors/,
    ],
    ["keys that are no list", legacyFile(one, { keys: text("0") }), /no list of its storages/],
    ["keys that are no texts", legacyFile(one, { keys: list(int(0)) }), /something else than a text/],
    ["a key that no tensor has", legacyFile(one, { keys: list(text("1")) }), /does not name/],
    [
      "a key twice",
      legacyFile(one, {
        keys: list(text("0"), text("0")),
        data: concat(floats(1, 2, 3, 4), floats(1, 2, 3, 4)),
      }),
      /twice/,
    ],
    [
      "a tensor without its key",
      legacyFile(one, { keys: list(), data: Buffer.alloc(0) }),
      /weight has no data/,
    ],
    [
      "a tensor outside its storage",
      legacyFile(dict({ weight: tensor(storage(), { offset: 3 }) })),
      /weight reaches outside/,
    ],
    [
      "a view outside its storage",
      legacyFile(dict({ weight: tensor(storage({ view: tuple(text("7"), int(3), int(9)) })) })),
      /weight reaches outside/,
    ],
    [
      "a view that is none",
      legacyFile(dict({ weight: tensor(storage({ view: int(3) })) })),
      /view of a storage that is none/,
    ],
    [
      "strides that do not fit the shape",
      legacyFile(dict({ weight: tensor(storage(), { strides: [] }) })),
      /outside/,
    ],
    [
      "a storage of an unknown class",
      legacyFile(dict({ weight: tensor(storage({ type: "NoStorage" })) })),
      /NoStorage/,
    ],
    ["another number of elements", legacyFile(one, { data: floats(1, 2) }), /2 elements in the place of 4/],
    [
      "more elements than there are",
      legacyFile(dict({ weight: tensor(storage({ elements: 200 })) }), { data: claims(200n) }),
      /ends inside/,
    ],
    ["a negative number of elements", legacyFile(one, { data: claims(-1n) }), /-1 elements/],
    ["an end before the number", legacyFile(one, { data: Buffer.alloc(7) }), /ends before the storage 0/],
    ["an end inside the pickles", legacyFile(one).subarray(0, 60), /ends early/],
    ["no pickles behind the magic number", pickle(MAGIC), /ends early/],
  ])("%s", async (_, content, reason) => {
    const error = await rejection(open(content));
    expect([error.code, error.message]).toEqual(["ERR_MODEL_CORRUPT", expect.stringMatching(reason)]);
  });

  it("a big endian machine's file", async () => {
    const error = await rejection(open(legacyFile(one, { system: dict({ little_endian: FALSE }) })));
    expect([error.code, error.message]).toEqual(["ERR_NOT_SUPPORTED", expect.stringMatching(/big endian/)]);
  });

  it("another pickle", async () => {
    const error = await rejection(open(legacyFile(one, { magic: int(1) })));
    expect([error.code, error.message]).toEqual(["ERR_MODEL_CORRUPT", expect.stringMatching(/neither/)]);
  });
});
