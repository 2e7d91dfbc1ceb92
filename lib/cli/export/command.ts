import { Command, Option } from "commander";
import type { RewardModelScoreOptions } from "../../options.js";

type ExportFlags = Omit<RewardModelScoreOptions, "model"> & { output: string };

export function exportCommand(): Command {
  return new Command("export")
    .summary("save a model as one TorchScript file")
    .description(
      "Saves a model that has a built-in program as a TorchScript archive of plain torch operations, with its weights, " +
        "config and chat template inside. It runs wherever TorchScript runs, and here, beside the tokenizer's files, " +
        "as the model that it was made from.",
    )
    .argument("<model>", "Hub repository, or directory with config.json and weights")
    .requiredOption("--output <file>", "where the archive goes")
    .option(
      "--adapter <adapter>",
      "LoRA adapter to apply: directory or Hub repository with adapter_config.json",
    )
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .addOption(
      new Option("--torch-dtype <dtype>", "type of the weights (default: the model's own)").choices([
        "auto",
        "float32",
        "bfloat16",
        "float16",
      ]),
    )
    .addOption(
      new Option("--pooling <rule>", "which token the head reads (default: hf)").choices(["hf", "last"]),
    )
    .addOption(new Option("--input-format <format>", "pair: save no chat template").choices(["chat", "pair"]))
    .option("--token <token>", "Hub token (default: HF_TOKEN, else the Hugging Face client's token file)")
    .option("--cache-dir <directory>", "folder of the Hub cache")
    .option("--local-files-only", "use only what is in the Hub cache")
    .option("--libtorch <directory>", "folder of libtorch (default: searched, see doctor)")
    .action(async (model: string, { output, ...options }: ExportFlags) => {
      const [{ exportModel }, { resolveOptions }, { interruptible }] = await Promise.all([
        import("../../model/export-model.js"),
        import("../../options.js"),
        import("../interrupt.js"),
      ]);
      const resolved = resolveOptions({ model, ...options });
      await interruptible((signal) => exportModel(resolved, output, { signal, onProgress: undefined }));
      process.stderr.write(`${output} is written.\n`);
    });
}
