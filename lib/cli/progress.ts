import { Presets, SingleBar } from "cli-progress";
import { printable } from "../printable.js";

const LINE_INTERVAL = 10_000;

/**
 * Progress on stderr: a bar on a terminal, else a line every ten seconds. `describe` is called only when something is
 * shown.
 */
export class Progress {
  readonly #bar: SingleBar | undefined;
  #started = false;
  #lastLine = performance.now();

  constructor() {
    if (!process.stderr.isTTY) return;
    const format = "{bar} {percentage}% {text}";
    const options = { format, stream: process.stderr, hideCursor: true, clearOnComplete: true, fps: 5 };
    this.#bar = new SingleBar(options, Presets.rect);
  }

  /** `fraction` of the work that is done; undefined where the end is not known. */
  update(fraction: number | undefined, describe: () => string): void {
    if (this.#bar && fraction !== undefined) {
      if (!this.#started) this.#bar.start(1, 0, { text: "" });
      this.#started = true;
      this.#bar.update(Math.min(fraction, 1), { text: printable(describe()) });
      return;
    }
    const now = performance.now();
    if (now - this.#lastLine < LINE_INTERVAL) return;
    this.#lastLine = now;
    const percentage = fraction === undefined ? "" : `${Math.floor(fraction * 100)}% `;
    process.stderr.write(`${percentage}${printable(describe())}\n`);
  }

  /** Prints a line; the bar comes back with the next update. */
  tell(line: string): void {
    this.stop();
    process.stderr.write(`${printable(line)}\n`);
  }

  /** Takes the bar away, so that lines can be printed. */
  stop(): void {
    if (this.#started) this.#bar?.stop();
    this.#started = false;
  }
}
