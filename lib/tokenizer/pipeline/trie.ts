/** Texts, each with a number, to be found at a place of another text. */
export class Trie {
  /** From a node and the UTF-16 unit that follows to the next node. */
  readonly #next = new Map<number, number>();
  /** [node] the number of the text that ends there, or -1. */
  readonly #values: number[] = [-1];
  /** [unit] 1 where a text begins with it: most places of a text begin none. */
  readonly #first = new Uint8Array(0x10000);

  /** A text that is there already keeps its number, unless it is to be replaced. */
  add(text: string, value: number, replace = false): void {
    if (text === "") return;
    let node = 0;
    for (let index = 0; index < text.length; index++) {
      const key = node * 0x10000 + text.charCodeAt(index);
      let next = this.#next.get(key);
      if (next === undefined) {
        next = this.#values.push(-1) - 1;
        this.#next.set(key, next);
      }
      node = next;
    }
    this.#first[text.charCodeAt(0)] = 1;
    if (replace || this.#values[node] === -1) this.#values[node] = value;
  }

  /** Calls back for each text that begins at `start`, from the shortest on, with the place of its end. */
  find(text: string, start: number, found: (end: number, value: number) => void): void {
    if (this.#first[text.charCodeAt(start)] === 0) return;
    let node = 0;
    for (let index = start; index < text.length; index++) {
      const next = this.#next.get(node * 0x10000 + text.charCodeAt(index));
      if (next === undefined) return;
      node = next;
      const value = this.#values[node]!;
      if (value !== -1) found(index + 1, value);
    }
  }
}
