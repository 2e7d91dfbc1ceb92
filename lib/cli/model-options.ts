import { type Command, InvalidArgumentError, Option } from "commander";
import type { RewardModelScoreOptions } from "../options.js";

/** The options of `RewardModelScore`, as commander hands them over. */
export type ModelFlags = Omit<RewardModelScoreOptions, "chatTemplate"> & { chatTemplate?: string };

/** Adds the options of `RewardModelScore` under their own names; those for `process` alone have no meaning here. */
export function addModelOptions(command: Command): Command {
  return command
    .requiredOption("--model <model>", "Hub repository, directory, TorchScript archive (….pt), or demo")
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .addOption(
      new Option("--torch-dtype <dtype>", "what to compute in (default: the model's own)").choices([
        "auto",
        "float32",
        "bfloat16",
        "float16",
      ]),
    )
    .option("--trust-remote-code", "allow running a TorchScript archive that comes from the Hub")
    .option("--device-map <map>", 'device, mode, or JSON like {"": "cpu"}', parseDeviceMap)
    .option("--max-memory <limits>", 'limits of a device map, JSON like {"cpu": "30GiB"}', parseJsonObject)
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
      new Option("--input-format <format>", "chat template, or two texts (default: chat)").choices([
        "chat",
        "pair",
      ]),
    )
    .option("--chat-template <file>", "file with a Jinja chat template that replaces the tokenizer's")
    .addOption(
      new Option("--pooling <rule>", "which token the head reads (default: hf)").choices(["hf", "last"]),
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

function parsePositive(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError("Use a whole number from 1 on.");
  return number;
}

function parsePairs(value: string, previous: Record<string, string> = {}): Record<string, string> {
  const pairs = value.split(",").map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1 || at === pair.length - 1)
      throw new InvalidArgumentError(`"${pair}" is not like name=column.`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return { ...previous, ...Object.fromEntries(pairs) };
}

function parseDeviceMap(value: string): NonNullable<RewardModelScoreOptions["deviceMap"]> {
  if (value.startsWith("{")) return parseJsonObject(value);
  return /^\d+$/.test(value) ? Number(value) : value;
}

function parseJsonObject(value: string): Record<string, string | number> {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Record<string, string | number>;
    }
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("It is not a JSON object.");
}
