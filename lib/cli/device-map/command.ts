import { Command, Option } from "commander";
import { addMapOptions } from "../device-options.js";
import type { DeviceMapFlags } from "./run.js";

export function deviceMapCommand(): Command {
  const command = new Command("device-map")
    .summary("plan which part of a model goes to which device")
    .description(
      "Plans a device map as transformers does and prints it with the reason for each boundary. With --max-memory the " +
        "devices need not exist. Only config.json and the headers of the weights are read, also on the Hub.",
    )
    .argument("<model>", "Hub repository, or directory with config.json and weights");
  return addMapOptions(command, "auto")
    .addOption(
      new Option("--torch-dtype <dtype>", "what is computed in (default: the model's own)").choices([
        "auto",
        "float32",
        "bfloat16",
        "float16",
      ]),
    )
    .option("--json", 'print {"map": …, "limits": …, "sizes": …}, in bytes')
    .option(
      "--adapter <adapter>",
      "LoRA adapter to apply: directory or Hub repository with adapter_config.json",
    )
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .option("--token <token>", "Hub token (default: HF_TOKEN, else the Hugging Face client's token file)")
    .option("--cache-dir <directory>", "folder of the Hub cache")
    .option("--local-files-only", "use only what is in the Hub cache")
    .option("--libtorch <directory>", "folder of libtorch, to look at this machine's devices")
    .action(async (model: string, flags: DeviceMapFlags) => {
      const { runDeviceMap } = await import("./run.js");
      await runDeviceMap(model, flags);
    });
}
