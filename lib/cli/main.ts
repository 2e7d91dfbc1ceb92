#!/usr/bin/env node
import { CommanderError } from "commander";
import { createProgram } from "./program.js";
import { EXIT, exitCodeOf, reportError } from "./report-error.js";

// A reader that has seen enough, as in "… | head", is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  reportError(error);
  process.exit(EXIT.failed);
});

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
