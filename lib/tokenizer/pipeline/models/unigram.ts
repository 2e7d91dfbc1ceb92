import * as v from "valibot";
import { options } from "../component.js";
import { characterLength } from "../piece.js";
import { Trie } from "../trie.js";
import type { Model } from "./model.js";
import { List } from "./vocabulary.js";

const Piece = v.tuple([v.string(), v.pipe(v.number(), v.finite())]);
const Schema = v.looseObject({
  vocab: List,
  unk_id: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))),
  byte_fallback: v.optional(v.boolean(), false),
});

/** How much less likely than every token an unknown character is. */
const UNKNOWN_PENALTY = 10;
const encoder = new TextEncoder();

/** The most likely tokens of a piece; neighbouring unknown characters are one unknown token, or their bytes. */
export class Unigram implements Model {
  readonly size: number;
  readonly #ids = new Map<string, number>();
  readonly #scores: Float64Array;
  readonly #unknownScore: number;
  readonly #unknown: number | undefined;
  readonly #byteFallback: boolean;
  readonly #trie = new Trie();

  constructor(config: unknown, place: string) {
    const { vocab, unk_id, byte_fallback } = options(Schema, config, place);
    this.size = vocab.length;
    this.#scores = new Float64Array(vocab.length);
    let lowest = Infinity;
    for (const [id, entry] of vocab.entries()) {
      const [token, score] = v.is(Piece, entry) ? entry : options(Piece, entry, `${place}.vocab.${id}`);
      this.#ids.set(token, id);
      this.#scores[id] = score;
      this.#trie.add(token, id, true);
      lowest = Math.min(lowest, score);
    }
    this.#unknownScore = lowest - UNKNOWN_PENALTY;
    this.#unknown = unk_id ?? undefined;
    if (this.#unknown !== undefined && this.#unknown >= vocab.length) {
      throw new Error(`${place}.unk_id is ${unk_id}, but the vocabulary has ${vocab.length} tokens`);
    }
    this.#byteFallback = byte_fallback;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(piece: string, ids: number[]): void {
    const { starts, tokens } = this.#bestPath(piece);
    const path: number[] = [];
    for (let end = piece.length; end > 0; end = starts[end]!) path.push(end);
    let unknownFrom = -1;
    for (let index = path.length - 1; index >= 0; index--) {
      const end = path[index]!;
      const token = tokens[end]!;
      if (token === this.#unknown) {
        if (unknownFrom < 0) unknownFrom = starts[end]!;
        continue;
      }
      if (unknownFrom >= 0) this.#encodeUnknown(piece.slice(unknownFrom, starts[end]), ids);
      unknownFrom = -1;
      ids.push(token);
    }
    if (unknownFrom >= 0) this.#encodeUnknown(piece.slice(unknownFrom), ids);
  }

  /** For each place, the token that the best path to it ends with, and where that token begins. */
  #bestPath(piece: string): { starts: Int32Array; tokens: Int32Array } {
    const scores = new Float64Array(piece.length + 1);
    const starts = new Int32Array(piece.length + 1).fill(-1);
    const tokens = new Int32Array(piece.length + 1);
    for (let start = 0; start < piece.length; ) {
      const step = characterLength(piece, start);
      const from = start;
      const scoreHere = scores[from]!;
      let single = false;
      const offer = (end: number, token: number | undefined, score: number) => {
        if (starts[end] !== -1 && score <= scores[end]!) return;
        if (token === undefined) {
          throw new Error("the text has a character that is not in the vocabulary, which has no unknown token");
        }
        starts[end] = from;
        tokens[end] = token;
        scores[end] = score;
      };
      this.#trie.find(piece, from, (end, token) => {
        offer(end, token, this.#scores[token]! + scoreHere);
        single ||= end === from + step;
      });
      if (!single) offer(from + step, this.#unknown, this.#unknownScore + scoreHere);
      start += step;
    }
    return { starts, tokens };
  }

  #encodeUnknown(text: string, ids: number[]): void {
    const whole = this.#ids.get(text);
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    const bytes = this.#byteFallback ? bytesOf(text, this.#ids) : undefined;
    if (bytes !== undefined) for (const id of bytes) ids.push(id);
    else ids.push(this.#unknown!);
  }
}

/** The ids of the tokens `<0x..>` of a text's bytes, if there is one for each. */
export function bytesOf(text: string, ids: ReadonlyMap<string, number>): number[] | undefined {
  const result: number[] = [];
  for (const byte of encoder.encode(text)) {
    const id = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return undefined;
    result.push(id);
  }
  return result;
}
