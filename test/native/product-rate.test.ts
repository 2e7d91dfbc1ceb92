import { beforeAll, describe, expect, it } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { loadBinding } from "#lib/native/load.js";

let binding: NativeBinding;
beforeAll(async () => {
  binding = await loadBinding((await findLibtorch()).root);
});

describe("productRate", () => {
  it.each(["float32", "bfloat16"] as const)("is what a processor can do, in %s", async (dtype) => {
    const rate = await binding.productRate({ device: "cpu", dtype, threads: 1 });
    // From a small core to more than any core has.
    expect(rate).toBeGreaterThan(1e8);
    expect(rate).toBeLessThan(1e13);
  });

  it("is an error for a device that is not there and for no dtype", async () => {
    await expect(
      binding.productRate({ device: "cuda:77", dtype: "float32", threads: 1 }),
    ).rejects.toMatchObject({ code: "ERR_DEVICE_UNAVAILABLE" });
    await expect(
      binding.productRate({ device: "cpu", dtype: "int8" as never, threads: 1 }),
    ).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });
});
