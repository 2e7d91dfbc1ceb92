import { Command } from "commander";
import { formatBytes } from "../../io/format.js";

interface DownloadFlags {
  revision: string;
  token?: string;
  cacheDir?: string;
  localFilesOnly?: boolean;
  trustRemoteCode?: boolean;
}

export function downloadCommand(): Command {
  return new Command("download")
    .summary("fetch a model into the Hub cache")
    .description(
      "Fetches what scoring with a model needs from the Hugging Face Hub into the cache that Python's huggingface_hub " +
        "uses too, and prints its folder. An interrupted download goes on where it stopped.",
    )
    .argument("<model>", "repository on the Hub: owner/name")
    .option("--revision <revision>", "branch, tag, commit or refs/pr/N", "main")
    .option("--token <token>", "default: HF_TOKEN, else the token file of the Hugging Face client")
    .option("--cache-dir <directory>", "default: HF_HUB_CACHE, else ~/.cache/huggingface/hub")
    .option("--local-files-only", "only look whether everything is in the cache")
    .option("--trust-remote-code", "allow a model that is a TorchScript archive, which is a program")
    .action(async (model: string, flags: DownloadFlags) => {
      const [{ resolveModel }, { readHubEnvironment }, { interruptible }, { Progress }] = await Promise.all([
        import("../../hub/resolve-model.js"),
        import("../../env.js"),
        import("../interrupt.js"),
        import("../progress.js"),
      ]);
      const env = readHubEnvironment();
      const progress = env.disableProgressBars ? undefined : new Progress();
      try {
        const { directory, staleBecause } = await interruptible((signal) =>
          resolveModel(
            {
              model,
              ...flags,
              signal,
              onProgress: ({ file, loaded, total }) =>
                progress?.update(
                  loaded / total,
                  () => `${formatBytes(loaded)} of ${formatBytes(total)}  ${file}`,
                ),
            },
            env,
          ),
        );
        progress?.stop();
        if (staleBecause) {
          process.stderr.write(
            `The cached copy was taken, since the Hub did not answer. ${staleBecause.message}\n`,
          );
        }
        process.stdout.write(`${directory}\n`);
      } finally {
        progress?.stop();
      }
    });
}
