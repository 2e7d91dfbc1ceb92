import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "../io/format.js";
import { findLibtorch } from "../libtorch/find.js";
import { SPACE_NEEDED } from "../libtorch/setup.js";
import { LIBTORCH_SERIES } from "../libtorch/version.js";
import { runSetup } from "./setup/run.js";

/**
 * Makes sure that there is a libtorch before anything else happens. Where none is found and none was named, a user at a
 * terminal is asked whether to fetch one; `yes` fetches it without asking.
 */
export async function requireLibtorch(folder: string | undefined, yes: boolean): Promise<void> {
  try {
    await findLibtorch(folder);
  } catch (error) {
    const { libtorch, cache } = readEnvironment();
    const isMissing = RewardModelScoreError.is(error, "ERR_RUNTIME_NOT_FOUND");
    if (!isMissing || folder !== undefined || libtorch !== undefined) throw error;
    if (!yes && !(await confirm(cache))) throw error;
    await runSetup({});
  }
}

async function confirm(cache: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  // Not in raw mode, in which Ctrl-C would be a character like any other.
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const question =
      `libtorch ${LIBTORCH_SERIES} is needed and was not found. Fetch it into ${cache} ` +
      `(up to ${formatBytes(SPACE_NEEDED.cpu)} of disk while it is unpacked)? [Y/n] `;
    const ended = once(terminal, "close").then(() => "no");
    return /^\s*(y(es)?)?\s*$/i.test(await Promise.race([terminal.question(question), ended]));
  } finally {
    terminal.close();
  }
}
