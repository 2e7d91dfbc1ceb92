import { type Command, Option } from "commander";
import type { RewardModelScoreOptions } from "../options.js";
import { addDeviceOptions } from "./device-options.js";
import { parsePairs, parsePositive } from "./parse.js";

/** The options of `RewardModelScore`, as commander hands them over. */
export type ModelFlags = Omit<RewardModelScoreOptions, "chatTemplate"> & { chatTemplate?: string };

/** Adds the options of `RewardModelScore` under their own names; those for `process` alone have no meaning here. */
export function addModelOptions(command: Command): Command {
  command
    .option("--model <model>", "Hub repository, directory, TorchScript archive (….pt), or demo (required)")
    .option(
      "--adapter <adapter>",
      "LoRA adapter to apply: directory or Hub repository with adapter_config.json",
    )
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .addOption(
      new Option("--torch-dtype <dtype>", "what to compute in (default: the model's own)").choices([
        "auto",
        "float32",
        "bfloat16",
        "float16",
      ]),
    )
    .option("--trust-remote-code", "allow running a TorchScript archive that comes from the Hub");
  // Not commander's requiredOption, which would complain of the missing --model before a --model-name-or-path.
  command.hook("preAction", () => {
    if (command.opts<Partial<ModelFlags>>().model === undefined)
      command.error("error: required option '--model <model>' not specified");
  });
  return addDeviceOptions(command)
    .option("--token <token>", "Hub token (default: HF_TOKEN, else the Hugging Face client's token file)")
    .option("--truncation", "cut texts that are longer than --max-length")
    .option("--max-length <tokens>", "most tokens of a text; only with --truncation", parsePositive)
    .option(
      "--input-mappings <pairs>",
      "columns to read, like instruction=prompt,response=answer",
      parsePairs,
    )
    .option("--output-mappings <pairs>", "columns to write, like score=reward", parsePairs)
    .option("--tokenizer <tokenizer>", "directory or Hub repository of the tokenizer (default: the model's)")
    .addOption(
      new Option("--input-format <format>", "chat template, or two texts (default: the model's)").choices([
        "chat",
        "pair",
      ]),
    )
    .option("--chat-template <file>", "file with a Jinja chat template that replaces the tokenizer's")
    .addOption(
      new Option("--pooling <rule>", "which token the head reads (default: hf)").choices(["hf", "last"]),
    )
    .addOption(
      new Option(
        "--normalize <statistics>",
        "model: (score - mean) / std, as the model stores them (default: none)",
      ).choices(["none", "model"]),
    )
    .addOption(
      new Option(
        "--activation <function>",
        "what is applied to the logits; model: as sentence-transformers has it (default: none)",
      ).choices(["none", "sigmoid", "softmax", "model"]),
    )
    .option("--attributes", "also write a custom head's named outputs")
    .option("--threads <number>", "CPU threads (default: physical cores)", parsePositive)
    .option(
      "--max-batch-tokens <tokens>",
      "tokens computed at once; bounds memory (default: 4096)",
      parsePositive,
    )
    .option("--no-share-prefixes", "compute the common beginning of rows for each row")
    .option("--cache-dir <directory>", "folder of the Hub cache")
    .option("--local-files-only", "use only what is in the Hub cache")
    .option("--libtorch <directory>", "folder of libtorch (default: searched, see doctor)");
}
