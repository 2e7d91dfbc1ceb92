import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { libraryFileName } from "#lib/libtorch/library.js";
import { makeZip } from "../libtorch/zip.js";
import { runCli } from "./run-cli.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;
let env: Record<string, string>;

beforeEach(() => {
  directory = temporaryFolder("cli-setup");
  env = { REWARD_MODEL_SCORE_CACHE: join(directory, "cache"), LIBTORCH: "" };
});

describe("setup", () => {
  it("unpacks a file and says where it is", async () => {
    const file = join(directory, "libtorch.zip");
    const library = `libtorch/lib/${libraryFileName("torch_cpu")}`;
    const zip = makeZip([
      { name: "libtorch/build-version", data: "2.13.0+cpu" },
      { name: library, data: "" },
    ]);
    writeFileSync(file, zip);
    const { status, stderr } = await runCli(["setup", "--offline", file], { env });
    expect(status).toBe(0);
    expect(stderr).toContain(join(directory, "cache/libtorch-2.13.0-cpu"));
  });

  it("fails with the error's code and status 2", async () => {
    const { status, stderr } = await runCli(["setup", "--offline", join(directory, "none.zip")], { env });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^reward-model-score: ERR_NOT_FOUND: .*none\.zip/m);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it("knows the devices that there are builds for", async () => {
    const { status, stderr } = await runCli(["setup", "--device", "tpu"], { env });
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining("cpu, cuda") as string });
    const cuda = await runCli(["setup", "--device", "cuda", "--dry-run"], {
      env: { ...env, PATH: directory },
    });
    expect(cuda).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^Would fetch .*8\.0 GB/) as string,
    });
  });
});
