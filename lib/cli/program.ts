import { Command } from "commander";
import { counterpartOf, describeCounterpart } from "../other-names.js";
import { packageVersion } from "../version.js";
import { benchCommand } from "./bench/command.js";
import { cacheCommand } from "./cache/command.js";
import { deviceMapCommand } from "./device-map/command.js";
import { doctorCommand } from "./doctor/command.js";
import { downloadCommand } from "./download/command.js";
import { exportCommand } from "./export/command.js";
import { scoreCommand } from "./score/command.js";
import { setupCommand } from "./setup/command.js";

/** What a command needs is imported when it runs: --help answers without libtorch, tokenizers or the Hub's client. */
export function createProgram(): Command {
  const program = new Command("reward-model-score")
    .description("Scores rows with Hugging Face reward models.")
    .version(packageVersion())
    .exitOverride()
    .addCommand(scoreCommand())
    .addCommand(benchCommand())
    .addCommand(setupCommand())
    .addCommand(doctorCommand())
    .addCommand(downloadCommand())
    .addCommand(cacheCommand())
    .addCommand(exportCommand())
    .addCommand(deviceMapCommand());
  inheritSettings(program);
  return program;
}

/** Also for commands of commands: errors in arguments are thrown, not exits, and other tools' words are known. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent).configureOutput({
      outputError: (text, write) => write(withCounterpart(text, command)),
    });
    inheritSettings(command);
  }
}

/** Commander knows an option that is nearly spelled like another; this knows one that is called otherwise elsewhere. */
function withCounterpart(error: string, command: Command): string {
  const [told, name] = /^error: unknown option '--?([^'=]+)[^']*'/.exec(error) ?? [];
  if (name === undefined) return error;
  const own = command.options.filter(({ negate }) => !negate);
  const longs = new Map(own.map((option) => [option.attributeName(), option.long!]));
  const counterpart = counterpartOf(name, [...longs.keys()]);
  return counterpart === undefined
    ? error
    : `${told}\n${describeCounterpart(counterpart, (option) => longs.get(option)!)}\n`;
}
