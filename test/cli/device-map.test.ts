import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RecordedFamily } from "../device-map/recorded-tree.js";
import { modelFiles, startHub } from "../hub/support.js";
import { readFixture } from "../parity/fixtures.js";
import { writeCheckpoint } from "../parity/tiny-checkpoint.js";
import { runCli } from "./run-cli.js";
import { sharedFolder, temporaryFolder } from "../temporary-folder.js";

// Maps that transformers made of the same checkpoints, by scripts/fixtures/device_map.py.
const recorded = JSON.parse(
  readFileSync(new URL("../fixtures/device-map/trees.json", import.meta.url), "utf8"),
) as Record<string, RecordedFamily>;

/** No libtorch is needed to plan from headers for stated devices. */
const noLibtorch = sharedFolder("no-libtorch");
const env = { LIBTORCH: noLibtorch };

const limitsOf = (maxMemory: Record<string, number>) =>
  Object.entries(maxMemory)
    .map(([device, bytes]) => `${device}=${bytes}`)
    .join(",");

interface Plan {
  map: Record<string, number | string>;
  limits: Record<string, number>;
  sizes: Record<string, number>;
}

function planOf(text: string): Plan {
  return JSON.parse(text) as Plan;
}

describe("device-map", () => {
  it.each(["qwen3", "gemma2"])("plans %s for stated devices as transformers does", async (name) => {
    const { directory } = writeCheckpoint(readFixture(name), { dtype: "BF16", shards: 2 });
    for (const { mode, maxMemory, limits, map } of recorded[name]!.cases.filter((_, i) => i % 6 === 0)) {
      const args = ["device-map", directory, "--device-map", mode, "--max-memory", limitsOf(maxMemory)];
      const { status, stdout, stderr } = await runCli([...args, "--torch-dtype", "bfloat16", "--json"], {
        env,
      });
      expect({ status, stderr: stderr.replace(/^Warning: .*\n/, "") }).toEqual({ status: 0, stderr: "" });
      const plan = planOf(stdout);
      expect(plan).toMatchObject({ map, limits });
      expect(Object.keys(plan.sizes).sort()).toEqual(Object.keys(map).sort());
    }
  });

  it("says what is where and why, for people", async () => {
    const { directory } = writeCheckpoint(readFixture("qwen3"), { dtype: "BF16" });
    const { cases } = recorded["qwen3"]!;
    const { maxMemory, map } = cases.find(
      ({ mode, map }) => mode === "auto" && Object.values(map).includes("cpu"),
    )!;
    const { stdout } = await runCli(["device-map", directory, "--max-memory", limitsOf(maxMemory)], { env });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^device +limit +used +modules$/);
    for (const [name, device] of Object.entries(map)) {
      const row = lines.find((line) => line.startsWith(`${device} `))!;
      expect(row).toContain(name.replace(/\.\d+$/, ""));
    }
    expect(stdout).toMatch(/^model\.layers\.\d \(.*\) goes to cpu: \d holds .* of .*\.$/m);
  });

  it("looks at this machine where no limits are given", async () => {
    const { status, stdout } = await runCli(["device-map", "models/demo", "--json"]);
    expect(status).toBe(0);
    const { map, limits } = planOf(stdout);
    expect(map).toEqual({ "": "cpu" });
    expect(limits["cpu"]).toBeGreaterThan(1e6);
  });

  it("reads only headers from the Hub, and puts nothing into the cache", async () => {
    const fixture = readFixture("qwen3");
    const { directory, files } = writeCheckpoint(fixture, { dtype: "BF16", shards: 2 });
    const read = (name: string) => readFileSync(join(directory, name));
    const hub = await startHub();
    const shards = files.map((file) => file.slice(directory.length + 1));
    // A tail of weights that nobody may ask for.
    const weights = shards.map((name) => [name, Buffer.concat([read(name), Buffer.alloc(1 << 22)])] as const);
    const { "tokenizer.json": tokenizer } = modelFiles();
    const index = "model.safetensors.index.json";
    hub.add("owner/planned", {
      "config.json": read("config.json"),
      [index]: read(index),
      "tokenizer.json": tokenizer!,
      ...Object.fromEntries(weights),
    });
    const { mode, maxMemory, limits, map } = recorded["qwen3"]!.cases[0]!;
    const args = ["device-map", "owner/planned", "--device-map", mode, "--max-memory", limitsOf(maxMemory)];
    const home = join(noLibtorch, "hf");
    const result = await runCli([...args, "--torch-dtype", "bfloat16", "--json"], {
      env: { ...env, HF_ENDPOINT: hub.endpoint, HF_HOME: home },
    });
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(planOf(result.stdout)).toMatchObject({ map, limits });
    for (const name of shards) {
      const header = 8 + Number(read(name).readBigUInt64LE());
      expect(hub.bytesOf(name)).toBe(header);
    }
    expect(hub.downloads("tokenizer.json")).toEqual([]);
    const again = await runCli([...args, "--local-files-only"], { env: { ...env, HF_HOME: home } });
    expect(again.stderr).toContain("ERR_OFFLINE");
  });

  it("plans an adapter, of which the base is read as headers only, as the base with its head", async () => {
    const fixture = readFixture("llama-grouped");
    const { directory, files } = writeCheckpoint(fixture);
    const [file] = files.map((path) => path.slice(directory.length + 1));
    const hub = await startHub();
    const { "tokenizer.json": tokenizer } = modelFiles();
    const read = (folder: string, name: string) => readFileSync(join(folder, name));
    const weights = read(directory, file!);
    hub.add("owner/base", {
      "config.json": read(directory, "config.json"),
      [file!]: Buffer.concat([weights, Buffer.alloc(1 << 22)]),
      "tokenizer.json": tokenizer!,
    });
    const own = "test/fixtures/adapters/lora";
    const config = JSON.parse(read(own, "adapter_config.json").toString()) as object;
    hub.add("owner/adapter", {
      "adapter_config.json": JSON.stringify({ ...config, base_model_name_or_path: "owner/base" }),
      "adapter_model.safetensors": read(own, "adapter_model.safetensors"),
    });
    const planned = async (...args: string[]) => {
      const hubEnv = { HF_ENDPOINT: hub.endpoint, HF_HOME: temporaryFolder("hf") };
      const limits = ["--max-memory", "0=60KB,cpu=1GB", "--json"];
      const result = await runCli(["device-map", ...args, ...limits], { env: { ...env, ...hubEnv } });
      expect(result).toMatchObject({ status: 0, stderr: "" });
      return planOf(result.stdout);
    };
    const expected = await planned(directory);
    expect(new Set(Object.values(expected.map)).size).toBe(2);
    expect(await planned("owner/adapter")).toEqual(expected);
    expect(await planned("owner/base", "--adapter", "owner/adapter")).toEqual(expected);
    expect(await planned(directory, "--adapter", own)).toEqual(expected);
    expect(hub.bytesOf(file)).toBe(2 * (8 + Number(weights.readBigUInt64LE())));
  });

  it("plans from .bin files, which libtorch reads, as from safetensors", async () => {
    const fixture = readFixture("trl-value-head");
    const trunk = Object.entries(fixture.tensors).filter(([name]) => !name.startsWith("v_head."));
    const whole = writeCheckpoint(fixture);
    const divided = writeCheckpoint({ ...fixture, tensors: Object.fromEntries(trunk) });
    const head = new URL("../fixtures/weights/value_head.bin", import.meta.url);
    copyFileSync(head, join(divided.directory, "value_head.bin"));
    const limits = ["--max-memory", "cpu=1GB", "--json"];
    const found = await runCli(["device-map", divided.directory, ...limits]);
    expect(found).toMatchObject({ status: 0, stderr: "" });
    expect(found).toEqual(await runCli(["device-map", whole.directory, ...limits]));
  });

  it("plans from an archive of the model as from the model, and not from an archive of another origin", async () => {
    const folder = temporaryFolder("exported");
    const archive = join(folder, "model.pt");
    expect(await runCli(["export", "models/demo", "--output", archive])).toMatchObject({ status: 0 });
    const limits = ["--max-memory", "0=700KB,1=700KB,cpu=1GB", "--json"];
    const fromArchive = await runCli(["device-map", archive, ...limits]);
    expect(fromArchive).toEqual(await runCli(["device-map", "models/demo", ...limits], { env }));
    expect(Object.keys(planOf(fromArchive.stdout).map).length).toBeGreaterThan(2);
    const other = await runCli(["device-map", "models/demo/model.pt", ...limits]);
    expect(other).toMatchObject({ status: 2, stdout: "" });
    expect(other.stderr).toContain("ERR_NOT_SUPPORTED");
  });

  it.each([
    [["models/demo", "--device-map", "cuda"], "ERR_INVALID_OPTION: --device-map"],
    [["models/demo", "--max-memory", "0=2 lots"], "ERR_INVALID_OPTION: maxMemory"],
    [["models/demo", "--max-memory", "gpu=2GB"], "ERR_INVALID_OPTION: maxMemory"],
    [["./nowhere", "--max-memory", "0=2GB"], "ERR_NOT_FOUND"],
  ])("refuses %j", async (args, error) => {
    const { status, stdout, stderr } = await runCli(["device-map", ...args], { env });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(error);
  });
});
