import { Command } from "commander";
import type { DownloadFlags } from "./run.js";

export function downloadCommand(): Command {
  return new Command("download")
    .summary("fetch a model into the Hub cache")
    .description(
      "Fetches what scoring with a model needs from the Hugging Face Hub into the cache that Python's huggingface_hub " +
        "uses too, and prints its folder; for an adapter, also its base. An interrupted download goes on where it stopped.",
    )
    .argument("<model>", "repository on the Hub: owner/name")
    .option("--revision <revision>", "branch, tag, commit or refs/pr/N", "main")
    .option("--token <token>", "default: HF_TOKEN, else the token file of the Hugging Face client")
    .option("--cache-dir <directory>", "default: HF_HUB_CACHE, else ~/.cache/huggingface/hub")
    .option("--local-files-only", "only look whether everything is in the cache")
    .option("--trust-remote-code", "allow a model that is a TorchScript archive, which is a program")
    .action(async (model: string, flags: DownloadFlags) => {
      const { runDownload } = await import("./run.js");
      await runDownload(model, flags);
    });
}
