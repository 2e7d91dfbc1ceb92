import * as v from "valibot";
import { options } from "../component.js";
import type { Model } from "./model.js";
import { Vocab, vocabulary } from "./vocabulary.js";
import { unknownId } from "./word-level.js";

const Schema = v.looseObject({
  vocab: Vocab,
  unk_token: v.string(),
  continuing_subword_prefix: v.optional(v.string(), "##"),
  max_input_chars_per_word: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 100),
});

/** Each piece is the longest tokens one after the other, or unknown as a whole. */
export class WordPiece implements Model {
  readonly #ids: Map<string, number>;
  readonly #unknown: string;
  readonly #prefix: string;
  readonly #mostCharacters: number;
  readonly #longestToken: number;

  constructor(config: unknown, place: string) {
    const parsed = options(Schema, config, place);
    this.#ids = vocabulary(parsed.vocab, `${place}.vocab`);
    this.#unknown = parsed.unk_token;
    this.#prefix = parsed.continuing_subword_prefix;
    this.#mostCharacters = parsed.max_input_chars_per_word;
    this.#longestToken = [...this.#ids.keys()].reduce((most, { length }) => Math.max(most, length), 0);
  }

  get size(): number {
    return this.#ids.size;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(piece: string, ids: number[]): void {
    const found = this.#tokensOf(piece);
    if (found === undefined) ids.push(unknownId(this.#ids, this.#unknown));
    else for (const id of found) ids.push(id);
  }

  /** Undefined where a part of the piece is in no token. */
  #tokensOf(piece: string): number[] | undefined {
    if ([...piece].length > this.#mostCharacters) return undefined;
    const found: number[] = [];
    for (let start = 0; start < piece.length; ) {
      const prefix = start === 0 ? "" : this.#prefix;
      let end = Math.min(piece.length, start + this.#longestToken - prefix.length);
      let id: number | undefined;
      for (; end > start; end--) {
        id = this.#ids.get(prefix + piece.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) return undefined;
      found.push(id);
      start = end;
    }
    return found;
  }
}
