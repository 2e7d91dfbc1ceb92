/** What the documentation hands to the command line and to the options, read by their own readers. */
import type { Command } from "commander";
import { createProgram } from "#lib/cli/program.js";
import { readPlacement } from "#lib/device-map/request.js";
import { RewardModelScoreError } from "#lib/errors.js";
import { resolveOptions } from "#lib/options.js";
import { resolveColumns } from "#lib/rows/columns.js";

export const OPTIONS = optionNames();

function optionNames(): string[] {
  try {
    resolveOptions({ model: "demo", nothing: 1 } as never);
  } catch (error) {
    if (RewardModelScoreError.is(error)) return error.message.replace(/^.*Options: |\.$/gs, "").split(", ");
  }
  throw new Error("The message of an unknown option lists those that there are.");
}

/** Throws where an option is refused. */
export function accept(options: object): void {
  const resolved = resolveOptions({ model: "demo", ...options });
  readPlacement(resolved, undefined);
  resolveColumns(resolved.inputMappings, resolved.outputMappings, resolved.attributes);
}

/** Throws where a command, an option or its value is refused; runs nothing. */
export function parse(words: string[]): void {
  const program = createProgram();
  let flags: Record<string, unknown> | undefined;
  for (const command of leaves(program)) {
    command.configureOutput({ writeErr: () => {} });
    command.action(() => void (flags = command.opts()));
  }
  program.parse(words, { from: "user" });
  if (flags === undefined) throw new Error(`No command ran for: ${words.join(" ")}`);
  accept(Object.fromEntries(Object.entries(flags).filter(([name]) => OPTIONS.includes(name))));
}

/** The first command that has an option. */
export function commandWith(flag: string): Command | undefined {
  return leaves(createProgram()).find((command) => optionOf(command, flag));
}

export function optionOf(command: Command, flag: string) {
  return command.options.find(({ long }) => long === flag);
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}
