import { Command } from "commander";
import { addModelOptions } from "../model-options.js";
import { parsePositive } from "../parse.js";
import type { BenchFlags } from "./run.js";

export function benchCommand(): Command {
  const command = new Command("bench")
    .summary("measure a model on a sample of rows")
    .description(
      "Scores a sample of the rows with several --max-batch-tokens (with that option, only with that one) and tells how " +
        "fast each is, beside the machine's own rate of matrix products; how long the rows are, how much of them is " +
        "shared, which budget to use and how long all rows will take. Nothing else should run meanwhile.",
    )
    .argument("<rows>", "JSON Lines file, also .gz; - reads standard input")
    .option("--sample <rows>", "rows to measure with, in blocks from all over the file", parsePositive, 512)
    .option("--seconds <seconds>", "about how long to measure", parsePositive, 60)
    .option("--json", "print the figures as JSON, in tokens, seconds, bytes and operations per second")
    .option("-y, --yes", "fetch libtorch without asking where it is missing");
  return addModelOptions(command).action(async (rows: string, flags: BenchFlags) => {
    const { runBench } = await import("./run.js");
    await runBench(rows, flags);
  });
}
