import * as v from "valibot";
import { options } from "../component.js";
import type { Model } from "./model.js";
import { Vocab, vocabulary } from "./vocabulary.js";

const Schema = v.looseObject({ vocab: Vocab, unk_token: v.string() });

/** Each piece is a token. */
export class WordLevel implements Model {
  readonly #ids: Map<string, number>;
  readonly #unknown: string;

  constructor(config: unknown, place: string) {
    const { vocab, unk_token } = options(Schema, config, place);
    this.#ids = vocabulary(vocab, `${place}.vocab`);
    this.#unknown = unk_token;
  }

  get size(): number {
    return this.#ids.size;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(piece: string, ids: number[]): void {
    ids.push(this.#ids.get(piece) ?? unknownId(this.#ids, this.#unknown));
  }
}

export function unknownId(ids: Map<string, number>, token: string): number {
  const id = ids.get(token);
  if (id === undefined) {
    throw new Error(
      `the text has something that is not in the vocabulary, and neither is the unknown token ${JSON.stringify(token)}`,
    );
  }
  return id;
}
