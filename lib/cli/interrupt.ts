import { constants } from "node:os";

/** The reason of an abort by SIGINT or SIGTERM. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** 130 and 143, as shells expect. */
  readonly exitCode: number;

  constructor(signal: "SIGINT" | "SIGTERM") {
    super(`Interrupted by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs work that a first Ctrl-C aborts, so that it can clean up, and a second one ends at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    const reason = new Interrupted(signal as "SIGINT" | "SIGTERM");
    if (controller.signal.aborted) process.exit(reason.exitCode);
    controller.abort(reason);
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
