import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { DoctorReport } from "#lib/cli/doctor/inspect.js";
import { libraryFileName } from "#lib/libtorch/library.js";
import { runCli } from "./run-cli.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;

beforeEach(() => {
  directory = temporaryFolder("cli-doctor");
});

async function doctor(...args: string[]): Promise<{ status: number | null; report: DoctorReport }> {
  const { status, stdout } = await runCli(["doctor", "--json", ...args]);
  return { status, report: JSON.parse(stdout) as DoctorReport };
}

describe("doctor", () => {
  it("finds everything that scoring needs", async () => {
    const { status, report } = await doctor();
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      system: { node: process.versions.node, platform: `${process.platform}-${process.arch}` },
      libtorch: { version: expect.stringMatching(/^2\.13\./) as string },
      demoScore: expect.any(Number) as number,
      runtime: { libtorch: expect.stringMatching(/^2\.13\./) as string },
    });
    expect(status).toBe(0);
    if (process.platform === "linux") expect(report.runtime!.openmp).toHaveLength(1);
  });

  it("prints the same as lines", async () => {
    const { status, stdout, stderr } = await runCli(["doctor"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const name of ["Node.js:", "libtorch:", "addon:", "CUDA:", "Scoring works here."]) {
      expect(stdout).toContain(name);
    }
  });

  it("fails where there is no libtorch", async () => {
    const { status, report } = await doctor("--libtorch", directory);
    expect(status).toBe(1);
    expect(report.problems).toMatchObject([{ code: "ERR_RUNTIME_NOT_FOUND" }]);
  });

  it("reports a library that does not load", async () => {
    mkdirSync(join(directory, "lib"));
    writeFileSync(join(directory, "build-version"), "2.13.0");
    for (const name of ["c10", "torch_cpu"]) {
      writeFileSync(join(directory, "lib", libraryFileName(name)), "no library");
    }
    const { status, report } = await doctor("--libtorch", directory);
    expect(status).toBe(1);
    expect(report.problems).toMatchObject([
      { code: "ERR_RUNTIME_NOT_FOUND", message: expect.stringContaining(directory) as string },
    ]);
  });
});
