import { formatDuration } from "../../io/format.js";
import { printable } from "../../printable.js";
import type { LoadProgress } from "../../model/load-progress.js";
import type { ScoringProgress } from "../../scoring/scorer.js";
import { reportLoading } from "../load-report.js";
import { Progress } from "../progress.js";
import type { InputRow } from "./rows.js";

/** How many rows without a score are told one by one; all of them carry their error in the output. */
const ERRORS_SHOWN = 10;

/** The first packs take longer than others: what they took says little of the time that is left. */
const PACKS_BEFORE_ESTIMATE = 4;

/** What `score` tells on stderr while it runs and at the end. */
export class ScoreReport {
  failed = 0;
  #rows = 0;
  #read = 0;
  #fractionRead: number | undefined;
  #packs = 0;
  #start = performance.now();
  #scoring: ScoringProgress | undefined;
  readonly #progress = new Progress();

  loading(progress: LoadProgress): void {
    reportLoading(this.#progress, progress);
  }

  loaded(): void {
    this.#progress.stop();
    this.#start = performance.now();
  }

  /** A row was read; it is scored later. */
  read({ fraction }: InputRow): void {
    this.#read++;
    this.#fractionRead = fraction;
  }

  scoring(progress: ScoringProgress): void {
    this.#scoring = progress;
    this.#packs++;
    this.#update();
  }

  /** A row is finished; they come in the order of the input, and many at a time. */
  row({ line }: InputRow, error: string | undefined): void {
    this.#rows++;
    if (error !== undefined && ++this.failed <= ERRORS_SHOWN)
      this.#progress.tell(printable(`line ${line}: ${error}`));
    this.#update();
  }

  #update(): void {
    // Rows that others before them in the input still hold up are done too.
    const done = Math.max(this.#rows, this.#scoring?.rows ?? 0);
    const fraction = this.#fractionRead === undefined ? undefined : (this.#fractionRead * done) / this.#read;
    this.#progress.update(fraction, () => {
      const left =
        fraction && this.#packs >= PACKS_BEFORE_ESTIMATE ? this.#seconds() * (1 / fraction - 1) : undefined;
      return `${this.#speed(done - this.failed)}${left === undefined ? "" : `, ${formatDuration(left)} left`}`;
    });
  }

  stop(): void {
    this.#progress.stop();
  }

  /** The work was not finished. */
  kept(rows: number, partial: string): void {
    process.stderr.write(
      `The ${count(rows)} rows that were finished are in ${partial}. The next run does not overwrite it: move it away first.\n`,
    );
  }

  finish(): void {
    const { truncatedRows = 0, truncatedTokens = 0 } = this.#scoring ?? {};
    if (this.#rows === 0) return void process.stderr.write("The input has no rows.\n");
    const scored = this.#rows - this.failed;
    const speed = scored === 0 ? "" : `: ${this.#speed(scored)}`;
    const lines = [`Scored ${rows(scored)} in ${formatDuration(this.#seconds())}${speed}`];
    if (truncatedRows > 0)
      lines.push(`Truncated: ${rows(truncatedRows)}, by ${count(truncatedTokens)} tokens in all`);
    if (this.failed > 0) {
      const shown = this.failed > ERRORS_SHOWN ? `; the first ${ERRORS_SHOWN} are told above` : "";
      lines.push(`Without a score, with an error instead: ${rows(this.failed)}${shown}`);
    }
    process.stderr.write(`${lines.join("\n")}\n`);
  }

  #speed(scored: number): string {
    const perSecond = (value: number) => count(value / Math.max(this.#seconds(), 1e-3));
    return `${perSecond(scored)} rows/s, ${perSecond(this.#scoring?.tokens ?? 0)} tokens/s`;
  }

  #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }
}

function rows(value: number): string {
  return `${count(value)} row${value === 1 ? "" : "s"}`;
}

function count(value: number): string {
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
