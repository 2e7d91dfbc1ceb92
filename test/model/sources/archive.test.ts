import { statSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { sizeOf } from "#lib/device-map/module-tree.js";
import type { Placeable } from "#lib/device-map/placeable.js";
import { openArchive } from "#lib/model/sources/archive.js";
import type { Dtype, NativeBinding } from "#lib/native/binding.js";
import { archivePath, openBinding } from "../../native/archives.js";

let binding: NativeBinding;
beforeAll(async () => {
  // A CPU that widens bfloat16, whatever this one does.
  const packedDtype: NativeBinding["packedDtype"] = (dtype) => (dtype === "bfloat16" ? "float32" : dtype);
  binding = { ...(await openBinding()), packedDtype };
});

async function placeable(name: string, torchDtype: Dtype | "auto"): Promise<Placeable> {
  const archive = archivePath(name);
  const source = await openArchive(binding, { directory: dirname(archive), weights: [], archive });
  return source!.placeable(torchDtype);
}

it.each([
  ["column.pt", "auto", ["float32", 1], ["float32", 1]],
  ["column.pt", "float16", ["float32", 1], ["float16", 1]],
  // Of a float32 archive only some is narrowed: it counts as a whole.
  ["column.pt", "bfloat16", ["bfloat16", 1], ["bfloat16", 1]],
  ["bfloat16.pt", "auto", ["bfloat16", 2], ["bfloat16", 1]],
  ["bfloat16.pt", "float32", ["float32", 2], ["float32", 2]],
  ["bfloat16.pt", "float16", ["float32", 2], ["float16", 1]],
  ["float16.pt", "auto", ["float32", 2], ["float16", 1]],
  ["float16.pt", "bfloat16", ["bfloat16", 2], ["bfloat16", 1]],
] as const)(
  "%s as %s: type, and size in those of its file, on a CPU and elsewhere",
  async (name, option, ...on) => {
    const archive = await placeable(name, option);
    const found = (["cpu", "accelerator"] as const).map((where) => [
      archive.dtypeOn(where),
      sizeOf(archive.modulesOn(where)) / statSync(archivePath(name)).size,
    ]);
    expect(found).toEqual(on);
  },
);

it("a file without an archive is not opened as one", async () => {
  const files = { directory: "/", weights: ["/model.safetensors"], archive: undefined };
  expect(await openArchive(binding, files)).toBeUndefined();
});
