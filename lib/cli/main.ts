#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { cacheCommand } from "./commands/cache.js";
import { deviceMapCommand } from "./commands/device-map.js";
import { doctorCommand } from "./commands/doctor.js";
import { downloadCommand } from "./commands/download.js";
import { exportCommand } from "./commands/export.js";
import { scoreCommand } from "./commands/score.js";
import { setupCommand } from "./commands/setup.js";
import { EXIT, exitCodeOf, reportError } from "./report-error.js";
import { packageVersion } from "../version.js";

// What a command needs is imported when it runs: --help answers without libtorch, tokenizers or the Hub's client.
const program = new Command("reward-model-score")
  .description("Scores rows with Hugging Face reward models.")
  .version(packageVersion())
  .exitOverride()
  .addCommand(scoreCommand())
  .addCommand(setupCommand())
  .addCommand(doctorCommand())
  .addCommand(downloadCommand())
  .addCommand(cacheCommand())
  .addCommand(exportCommand())
  .addCommand(deviceMapCommand());
inheritSettings(program);

// A reader that has seen enough, as in "… | head", is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  reportError(error);
  process.exit(EXIT.failed);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed help, the version or what is wrong with the arguments.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.failed;
  } else {
    reportError(error);
    process.exitCode = exitCodeOf(error);
  }
}

/** Also for commands of commands: errors in arguments are thrown, not exits. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
