import { Command } from "commander";
import { addModelOptions } from "../model-options.js";
import type { ScoreFlags } from "./run.js";

export function scoreCommand(): Command {
  const command = new Command("score")
    .summary("score the rows of a JSON Lines file")
    .description(
      "Scores the rows of a JSON Lines file and adds a column with the score; all other columns stay as they are.\n\n" +
        "A row needs instruction and response, or conversation. One that cannot be scored gets score null and an " +
        "error, and the exit code is 1 at the end; it is 2 when nothing could be done.",
    )
    .argument("<rows>", "JSON Lines file, also .gz; - reads standard input")
    .option("--output <file>", "where the scored rows go, also .gz (default: standard output)")
    .option("-y, --yes", "fetch libtorch without asking where it is missing");
  return addModelOptions(command).action(async (rows: string, flags: ScoreFlags) => {
    const { runScore } = await import("./run.js");
    await runScore(rows, flags);
  });
}
