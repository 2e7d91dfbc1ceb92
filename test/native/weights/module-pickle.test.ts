/** TorchScript archives as weights. Their pickles are written here opcode by opcode, so that they can be hostile. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { makeZip } from "../../libtorch/zip.js";
import { openEngineTest, rejection, type EngineTest } from "../engine-test.js";
import { sharedFolder } from "../../temporary-folder.js";
import { concat, dict, global, int, list, recall, remember, text, tuple } from "./pickle-opcodes.js";

let engine: EngineTest;
const folder = sharedFolder("module-pickle");
beforeAll(async () => {
  engine = await openEngineTest();
});

const NEWOBJ = Buffer.from([0x81]);
const object = (entries: Record<string, Buffer>, key?: number) =>
  concat(global("__torch__", "M"), ")", NEWOBJ, key === undefined ? "" : remember(key), dict(entries), "b");
const typed = (value: Buffer, callee = "restore_type_tag") =>
  concat(global("torch.jit._pickle", callee), tuple(value, text("List[Tensor]")), "R");
/** Two float32 numbers. */
const tensor = concat(
  global("torch._utils", "_rebuild_tensor_v2"),
  tuple(
    concat(tuple(text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), int(2)), "Q"),
    int(0),
    tuple(int(2)),
    tuple(int(1)),
    Buffer.from([0x89]),
    concat(global("collections", "OrderedDict"), ")R"),
  ),
  "R",
);

function write(pickle: Buffer, isScript = true): string {
  const path = join(folder, "archive.pt");
  const entries = [
    { name: "m/version", data: "3\n" },
    { name: "m/data.pkl", data: concat(Buffer.from([0x80, 2]), pickle, ".") },
    { name: "m/data/0", data: Buffer.from(Float32Array.of(1, 2).buffer) },
    ...(isScript ? [{ name: "m/constants.pkl", data: concat(Buffer.from([0x80, 2]), ").") }] : []),
  ];
  writeFileSync(path, makeZip(entries));
  return path;
}

async function namesIn(pickle: Buffer): Promise<string[]> {
  const { tensors } = await engine.openCheckpoint([write(pickle)]);
  return tensors.map(({ name }) => name);
}

it("tensors are named by attributes, keys and indexes", async () => {
  const names = await namesIn(
    object({
      weight: tensor,
      eps: concat("G", Buffer.alloc(8)),
      none: Buffer.from("N"),
      child: object({ bias: tensor, empty: object({}) }),
      linears: typed(list(tuple(tensor, tensor), tuple(tensor, "N"))),
      sizes: typed(list(int(1), int(2)), "build_intlist"),
      table: dict({ a: tensor }),
    }),
  );
  expect(names).toEqual(["weight", "child.bias", "linears.0.0", "linears.0.1", "linears.1.0", "table.a"]);
});

it("what is reached in a circle, or on many ways, is read once", async () => {
  expect(await namesIn(object({ self: recall(7), weight: tensor }, 7))).toEqual(["weight"]);
  let laughs = list(tensor);
  for (let key = 0; key < 40; key++) laughs = list(concat(laughs, remember(key)), recall(key));
  expect(await namesIn(object({ laughs }))).toHaveLength(1);
});

describe("refuses", () => {
  const nested = (depth: number) => {
    let value = tensor;
    for (let i = 0; i < depth; i++) value = object({ m: value });
    return value;
  };

  it.each<[string, Buffer, string]>([
    ["modules that nest without an end", nested(10_000), "nests its values too deeply"],
    ["names without an end", object({ ["x".repeat(5000)]: list(tensor) }), "too long"],
    ["a state that is no dict", concat(global("__torch__", "M"), ")", NEWOBJ, list(), "b"), "has none"],
    ["a call", object({ x: concat(global("os", "system"), tuple(text("true")), "R") }), "os.system"],
    ["a dict in the place of the module", dict({ weight: tensor }), "not a module"],
    ["a state without its object", concat(dict({}), "b"), "empty stack"],
  ])("%s", async (_, pickle, reason) => {
    const error = await rejection(engine.openCheckpoint([write(pickle)]));
    expect(error.code).toBe("ERR_MODEL_CORRUPT");
    expect(error.message).toContain(reason);
  });

  it("a module in a file of weights", async () => {
    const error = await rejection(engine.openCheckpoint([write(object({ weight: tensor }), false)]));
    expect(error.message).toContain("__torch__.M, which is no part of a state dict");
  });
});
