/** What a thread is at: opening the tokenizer, rendering a row, or tokenizing one. */
export enum Step {
  Open,
  Template,
  Tokenizer,
}

const COUNT = 0;
const ROW = 1;
const STEP = 2;

/** How far a thread is, in memory that it shares with the thread that waits for it: one that hangs tells nothing else. */
export class Progress {
  readonly #cells: Int32Array;

  constructor(readonly memory = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)) {
    this.#cells = new Int32Array(memory);
  }

  /** Grows with every step. */
  get count(): number {
    return Atomics.load(this.#cells, COUNT);
  }

  /** Which of the job's rows is being encoded. */
  get row(): number {
    return Atomics.load(this.#cells, ROW);
  }

  get step(): Step {
    return Atomics.load(this.#cells, STEP);
  }

  enter(step: Step, row = 0): void {
    Atomics.store(this.#cells, ROW, row);
    Atomics.store(this.#cells, STEP, step);
    Atomics.add(this.#cells, COUNT, 1);
  }
}
