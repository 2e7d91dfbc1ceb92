#!/usr/bin/env node
import { CommanderError } from "commander";
import { createProgram } from "./program.js";
import { writeError } from "../io/disk.js";
import { EXIT, exitCodeOf, reportError } from "./report-error.js";

process.stdout.on("error", (error) => {
  // A command that listens itself does what is to be done.
  if (process.stdout.listenerCount("error") > 1) return;
  reportError(writeError(error, "standard output"));
  process.exit(exitCodeOf(error));
});
// Nobody can be told that nothing can be told; the work goes on.
process.stderr.on("error", () => {});
// A limit to the size of files is an error of the write that meets it, not the end of the process.
if (process.platform !== "win32") process.on("SIGXFSZ", () => {});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed help, the version or what is wrong with the arguments.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.failed;
  } else {
    reportError(error);
    process.exitCode = exitCodeOf(error);
  }
}
