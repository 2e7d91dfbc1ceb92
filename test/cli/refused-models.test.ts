/** Models whose weights are not read: status 2, the name of what they are, and the way out. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { DEMO_MODEL } from "#lib/demo.js";
import { bytesOf, writeRaw, writeSafetensors } from "../native/weights/safetensors-file.js";
import { temporaryFolder } from "../temporary-folder.js";
import { runCli } from "./run-cli.js";

/** The demo model with other weights. */
function model(write: (folder: string) => void, config: object = {}): string {
  const folder = temporaryFolder("refused");
  cpSync(DEMO_MODEL, folder, { recursive: true });
  for (const file of ["model.safetensors", "model.pt"]) rmSync(join(folder, file), { force: true });
  const path = join(folder, "config.json");
  const own = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...own, ...config }));
  write(folder);
  return folder;
}

const tensors =
  (...names: string[]) =>
  (folder: string) => {
    const two = { dtype: "I32", shape: [2], data: bytesOf(Int32Array.of(1, 2)) };
    writeSafetensors(
      join(folder, "model.safetensors"),
      Object.fromEntries(["score.weight", ...names].map((name) => [name, two])),
    );
  };
const files =
  (...names: string[]) =>
  (folder: string) => {
    for (const name of names) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), "x");
    }
  };
const mlx = (folder: string) =>
  void writeRaw(join(folder, "model.safetensors"), JSON.stringify({ __metadata__: { format: "mlx" } }));

const up = "model.layers.0.mlp.up_proj.";

it.each<[string, () => string]>([
  ["GPTQ", () => model(tensors(), { quantization_config: { quant_method: "gptq", bits: 4 } })],
  ["AWQ", () => model(tensors(`${up}qweight`, `${up}qzeros`, `${up}scales`))],
  [
    "bitsandbytes in 4 bits",
    () => model(tensors(`${up}weight`, `${up}weight.absmax`, `${up}weight.quant_map`)),
  ],
  ["bitsandbytes in 8 bits", () => model(tensors(`${up}weight`, `${up}SCB`))],
  [
    "MXFP4",
    () =>
      model(
        tensors("model.layers.0.mlp.experts.down_proj_blocks", "model.layers.0.mlp.experts.down_proj_scales"),
      ),
  ],
  ["MLX in 4 bits", () => model(tensors(`${up}scales`), { quantization: { group_size: 64, bits: 4 } })],
  ["MLX", () => model(mlx)],
  ["GGUF", () => model(files("model-q4_k_m.gguf"))],
  ["ONNX", () => model(files("onnx/model.onnx"))],
  ["consolidated weights", () => model(files("consolidated.00.pth", "params.json"))],
  ["TensorFlow", () => model(files("tf_model.h5"))],
])("%s", async (name, make) => {
  const row = JSON.stringify({ instruction: "a", response: "b" });
  const { status, stdout, stderr } = await runCli(["score", "--model", make(), "-"], { input: `${row}\n` });
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain("ERR_NOT_SUPPORTED: ");
  expect(stderr).toContain(name);
  expect(stderr).toMatch(/Use the model|Use the repository|converts it/);
});

it("a single file that is a GGUF", async () => {
  const path = join(model(files("model.gguf")), "model.gguf");
  const { status, stderr } = await runCli(["score", "--model", path, "-"], { input: "{}\n" });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/ERR_NOT_SUPPORTED: .*GGUF/)]);
});
