import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { requireSpace, writeError } from "#lib/io/disk.js";
import { temporaryFolder } from "../temporary-folder.js";

it("tells a full disk from other failures of the file system", () => {
  const failed = (code: string) => Object.assign(new Error(code), { code, syscall: "write" });
  expect(writeError(failed("ENOSPC"), "/cache/x")).toMatchObject({
    code: "ERR_DISK_FULL",
    details: { path: "/cache/x" },
    message: expect.stringContaining("Free some.") as string,
  });
  expect(writeError(failed("ENOSPC"), "/cache/x", { full: "Buy one.", other: "Ask." })).toMatchObject({
    message: expect.stringContaining("Buy one.") as string,
  });
  expect(writeError(failed("EDQUOT"), "/cache/x")).toMatchObject({ code: "ERR_DISK_FULL" });
  expect(writeError(failed("EACCES"), "/cache/x", { full: "Buy one.", other: "Ask." })).toMatchObject({
    code: "ERR_IO",
    message: expect.stringMatching(/EACCES\. Ask\.$/) as string,
  });
  const bug = new TypeError("ours");
  expect(writeError(bug, "/cache/x")).toBe(bug);
});

it("makes the folder and says how much is needed and free, and what to do", async () => {
  const folder = temporaryFolder("disk");
  const inner = join(folder, "not", "there");
  await requireSpace(inner, 1);
  expect((await stat(inner)).isDirectory()).toBe(true);
  await expect(requireSpace(inner, 2 ** 60, { full: "Buy one.", other: "Ask." })).rejects.toMatchObject({
    code: "ERR_DISK_FULL",
    details: { path: inner, needed: 2 ** 60, available: expect.any(Number) as number },
    message: expect.stringMatching(/ free, but .* are needed\. Buy one\./) as string,
  });
});
