import { describe, expect, it } from "vitest";
import { createProgram } from "#lib/cli/program.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import { runCli } from "./cli/run-cli.js";

/** Words of transformers, sentence-transformers, vLLM, TEI, distilabel and trainers' scripts. */
const WORDS: [theirs: string, ours: string][] = [
  ["device", "deviceMap"],
  ["device_map", "deviceMap"],
  ["torch_dtype", "torchDtype"],
  ["dtype", "torchDtype"],
  ["fp16", "torchDtype"],
  ["load_in_8bit", "torchDtype"],
  ["batchSize", "maxBatchTokens"],
  ["batch_size", "maxBatchTokens"],
  ["per_device_eval_batch_size", "maxBatchTokens"],
  ["model_name_or_path", "model"],
  ["modelId", "model"],
  ["tokenizer_name", "tokenizer"],
  ["max_seq_length", "maxLength"],
  ["max_model_len", "maxLength"],
  ["trust_remote_code", "trustRemoteCode"],
  ["hf_token", "token"],
  ["num_threads", "threads"],
  ["tensor_parallel_size", "replicas"],
  ["input_mappings", "inputMappings"],
];

const kebab = (name: string) =>
  `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`.replaceAll("_", "-");

/** What the command line says of arguments that it refuses. */
async function refusal(...args: string[]): Promise<string> {
  let told = "";
  const program = createProgram();
  const score = program.commands.find((command) => command.name() === "score")!;
  score.configureOutput({ writeErr: (text) => (told += text) });
  await expect(program.parseAsync(["score", "rows.jsonl", ...args], { from: "user" })).rejects.toThrow();
  return told;
}

describe("a word of a neighbouring tool", () => {
  it.each(WORDS)("%s is answered with %s", (theirs, ours) => {
    // Also where the option that it stands for is missing.
    for (const others of [{ model: "demo" }, {}]) {
      const construct = () => new RewardModelScore({ ...others, [theirs]: 8 } as never);
      expect(construct).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_OPTION", details: { option: theirs } }),
      );
      expect(construct).toThrow(`There is no option "${theirs}". Here, ${ours} takes its place`);
    }
  });

  it.each(WORDS)("%s is answered on the command line, in its spelling", async (theirs, ours) => {
    for (const flag of [kebab(theirs), `--${theirs}`, `--${theirs}=8`]) {
      if (flag === kebab(ours)) continue;
      expect(await refusal(flag, "8")).toMatch(`Here, ${kebab(ours)} takes its place`);
    }
  });

  it("that has no counterpart is answered with the reason", async () => {
    expect(() => new RewardModelScore({ model: "demo", attn_implementation: "sdpa" } as never)).toThrow(
      "follows from the device",
    );
    expect(await refusal("--input", "rows.jsonl")).toContain("rows are an argument");
    expect(await refusal("--output-file", "scored.jsonl")).toContain("--output takes its place");
    expect(() => new RewardModelScore({ model: "demo", output: "scored.jsonl" } as never)).toThrow(
      'There is no option "output". Options:',
    );
  });

  it("ends the command with status 2; what nobody knows is refused as ever", async () => {
    const { status, stderr } = await runCli(["score", "rows.jsonl", "--batch-size", "8"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: unknown option '--batch-size'\nHere, --max-batch-tokens .*\n$/);
    expect(await refusal("--bogus")).toBe("error: unknown option '--bogus'\n");
    expect(await refusal("--otput", "x")).toContain("(Did you mean --output?)");
    expect(await refusal("--share-prefixes")).toContain("(Did you mean --no-share-prefixes?)");
    expect(await refusal()).toBe("error: required option '--model <model>' not specified\n");
  });
});
