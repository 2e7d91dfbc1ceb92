import { totalmem } from "node:os";
import { expect, it } from "vitest";
import { openBinding } from "./archives.js";

it("the CPU comes first, with the memory that this process may use", async () => {
  const [cpu, ...accelerators] = (await openBinding()).devices();
  expect(cpu).toMatchObject({ name: "cpu", kind: "cpu" });
  // 0 or beyond all memory where no cgroup limits it.
  const limit = process.constrainedMemory() || Infinity;
  expect(cpu!.total).toBe(Math.min(totalmem(), limit));
  expect(cpu!.free).toBeLessThanOrEqual(cpu!.total);
  // Node's own count, a moment later and on a machine that does other things too.
  expect(Math.abs(cpu!.free - process.availableMemory())).toBeLessThan(0.2 * cpu!.total);
  for (const { kind, name } of accelerators) expect(name).toMatch(new RegExp(`^${kind}:\\d+$`));
});
