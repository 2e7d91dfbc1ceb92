import { Command } from "commander";
import type { DoctorFlags } from "./run.js";

export function doctorCommand(): Command {
  return new Command("doctor")
    .summary("say what was found, and whether scoring would work")
    .description(
      "Looks at Node.js, the system, libtorch and the native addon, and loads them in a process of their own. The " +
        "exit code is 1 when scoring would fail.",
    )
    .option("--json", "print JSON, for bug reports")
    .option("--libtorch <directory>", "look at this libtorch")
    .action(async (flags: DoctorFlags) => {
      const { runDoctor } = await import("./run.js");
      await runDoctor(flags);
    });
}
