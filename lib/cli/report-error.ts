import { RewardModelScoreError } from "../errors.js";
import { printable } from "../printable.js";
import { Interrupted } from "./interrupt.js";

export const EXIT = {
  /** The work is done, but not for every row. */
  incomplete: 1,
  /** Wrong arguments, or nothing could be done. */
  failed: 2,
} as const;

export function exitCodeOf(error: unknown): number {
  if (isReaderGone(error)) return 0;
  return error instanceof Interrupted ? error.exitCode : EXIT.failed;
}

/** One message for what the user can mend; a stack for what only we can. */
export function reportError(error: unknown): void {
  if (isReaderGone(error)) return;
  const text =
    error instanceof RewardModelScoreError
      ? `${error.code}: ${error.message}`
      : error instanceof Interrupted
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
  process.stderr.write(`reward-model-score: ${printable(text)}\n`);
}

/** A reader that has seen enough, as in "… | head", is no error. */
function isReaderGone(error: unknown): boolean {
  for (const each of error instanceof Error ? [error, error.cause] : [])
    if (each instanceof Error && "code" in each && each.code === "EPIPE") return true;
  return false;
}
