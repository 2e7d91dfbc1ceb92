import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";

/** A new folder for the test that runs, or is about to; it goes when the test has ended. */
export function temporaryFolder(name: string): string {
  const folder = make(name);
  onTestFinished(() => remove(folder));
  return folder;
}

/** The same for all tests of the file, or of the `describe`, in which it is called. */
export function sharedFolder(name: string): string {
  const folder = make(name);
  afterAll(() => remove(folder));
  return folder;
}

function make(name: string): string {
  return mkdtempSync(join(tmpdir(), `${name}-`));
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
