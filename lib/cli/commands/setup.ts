import { Command } from "commander";
import { RewardModelScoreError } from "../../errors.js";

interface SetupFlags {
  device: string;
  libtorch?: string;
  offline?: string;
  dryRun?: boolean;
}

export function setupCommand(): Command {
  return new Command("setup")
    .summary("find libtorch, or fetch it into the cache")
    .description(
      "Finds libtorch, or fetches it: from PyTorch's download site where that can be reached, else as the wheel of " +
        "torch with pip. Every file is checked, and nothing half-made is left behind. Doing it again does nothing.",
    )
    .option("--device <device>", "which build to fetch; only cpu can be fetched", "cpu")
    .option("--libtorch <directory>", "use this libtorch: link it into the cache instead of fetching one")
    .option("--offline <file>", "unpack this libtorch zip or wheel of torch instead of fetching one")
    .option("--dry-run", "say what would be done and change nothing")
    .action(async (flags: SetupFlags) => {
      if (flags.device !== "cpu") throw noCudaSetup(flags.device);
      const { runSetup } = await import("../run-setup.js");
      await runSetup(flags);
    });
}

function noCudaSetup(device: string): RewardModelScoreError {
  if (device !== "cuda") {
    const message = `--device ${device}: use cpu or cuda.`;
    return new RewardModelScoreError("ERR_INVALID_OPTION", message, { option: "device" });
  }
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    "setup fetches the CPU build only. For a CUDA build, install torch 2.13 with pip and set LIBTORCH to its " +
      "site-packages/torch, or give a downloaded CUDA libtorch zip with --offline.",
    { feature: "setup --device cuda" },
  );
}
