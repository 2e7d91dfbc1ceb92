import { Command, Option } from "commander";
import type { Device } from "../../libtorch/download.js";

interface SetupFlags {
  device: Device;
  libtorch?: string;
  headers?: boolean;
  offline?: string;
  dryRun?: boolean;
}

export function setupCommand(): Command {
  return new Command("setup")
    .summary("find libtorch, or fetch it into the cache")
    .description(
      "Finds libtorch, or fetches it: from PyTorch's download site where that can be reached, else as the wheel of " +
        "torch with pip. What was published is known by its sha256; nothing half-made is left behind. Doing it again " +
        "does nothing.",
    )
    .addOption(
      new Option("--device <device>", "what to compute on; cuda asks for a build with CUDA")
        .choices(["cpu", "cuda"])
        .default("cpu"),
    )
    .option("--libtorch <directory>", "use this libtorch: link it into the cache instead of fetching one")
    .option("--headers", "with the C++ headers, which only building the addon takes")
    .option("--offline <file>", "unpack this libtorch zip or wheel of torch instead of fetching one")
    .option("--dry-run", "say what would be done and change nothing")
    .action(async (flags: SetupFlags) => {
      const { runSetup } = await import("./run.js");
      await runSetup(flags);
    });
}
