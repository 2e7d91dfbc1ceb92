import * as v from "valibot";
import { options } from "../component.js";
import type { Model } from "./model.js";
import { bytesOf } from "./unigram.js";
import { List, Vocab, vocabulary } from "./vocabulary.js";
import { unknownId } from "./word-level.js";

const Schema = v.looseObject({
  vocab: Vocab,
  merges: List,
  dropout: v.nullish(v.number()),
  unk_token: v.nullish(v.string()),
  continuing_subword_prefix: v.nullish(v.string()),
  end_of_word_suffix: v.nullish(v.string()),
  fuse_unk: v.optional(v.boolean(), false),
  byte_fallback: v.optional(v.boolean(), false),
  ignore_merges: v.optional(v.boolean(), false),
});

/** What the words of a language are found in again; longer pieces hardly come twice. */
const CACHED_WORDS = 10_000;
const LONGEST_CACHED = 256;

/** Byte-pair encoding: the characters of a piece, of which the pair with the lowest rank is merged first. */
export class Bpe implements Model {
  readonly #ids: Map<string, number>;
  readonly #config: v.InferOutput<typeof Schema>;
  readonly #merges: Merges;
  readonly #cache = new Map<string, number[]>();

  constructor(config: unknown, place: string) {
    this.#config = options(Schema, config, place);
    const { vocab, merges, dropout, continuing_subword_prefix: prefix } = this.#config;
    if (dropout !== undefined && dropout !== null && dropout !== 0) {
      throw new Error(
        `${place}.dropout is ${dropout}, so that a text gets other tokens every time; set it to null`,
      );
    }
    this.#ids = vocabulary(vocab, `${place}.vocab`);
    this.#merges = new Merges(this.#ids, merges, prefix ?? "", `${place}.merges`);
  }

  get size(): number {
    return this.#ids.size;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(piece: string, ids: number[]): void {
    let tokens = this.#cache.get(piece);
    if (tokens === undefined) {
      tokens = this.#encode(piece);
      if (this.#cache.size < CACHED_WORDS && piece.length < LONGEST_CACHED) this.#cache.set(piece, tokens);
    }
    for (const id of tokens) ids.push(id);
  }

  #encode(piece: string): number[] {
    const whole = this.#config.ignore_merges ? this.#ids.get(piece) : undefined;
    return whole === undefined ? this.#merges.apply(this.#characters(piece)) : [whole];
  }

  #characters(piece: string): number[] {
    const { unk_token, continuing_subword_prefix, end_of_word_suffix, fuse_unk, byte_fallback } =
      this.#config;
    const ids: number[] = [];
    // An unknown character is only known to be the last of its kind when a known one follows.
    let unknown: number | undefined;
    let index = 0;
    for (const character of piece) {
      let symbol = character;
      if (index > 0 && continuing_subword_prefix != null) symbol = continuing_subword_prefix + symbol;
      index += character.length;
      if (index === piece.length && end_of_word_suffix != null) symbol += end_of_word_suffix;
      const id = this.#ids.get(symbol);
      if (id !== undefined) {
        if (unknown !== undefined) ids.push(unknown);
        unknown = undefined;
        ids.push(id);
        continue;
      }
      const bytes = byte_fallback ? bytesOf(symbol, this.#ids) : undefined;
      if (bytes !== undefined) {
        ids.push(...bytes);
        continue;
      }
      if (unk_token == null) continue;
      if (unknown !== undefined && !fuse_unk) ids.push(unknown);
      unknown = unknownId(this.#ids, unk_token);
    }
    if (unknown !== undefined) ids.push(unknown);
    return ids;
  }
}

/** The pairs that are merged, and their order. */
class Merges {
  /** Above every id. */
  #span = 0;
  /** From a pair, in one number, to its rank. */
  readonly #ranks = new Map<number, number>();
  /** [rank] the id of what the pair becomes. */
  readonly #results: number[] = [];

  constructor(
    ids: ReadonlyMap<string, number>,
    merges: readonly unknown[],
    prefix: string,
    place: string,
  ) {
    for (const [token, id] of ids) {
      if (id >= this.#span) this.#span = id + 1;
      if (this.#span > MOST_IDS) {
        throw new Error(`the id ${id} of ${JSON.stringify(token)} is too great for a BPE vocabulary`);
      }
    }
    const prefixBytes = Buffer.byteLength(prefix);
    const idOf = (token: string, rank: number): number => {
      const id = ids.get(token);
      if (id === undefined) {
        throw new Error(`${place}.${rank} needs the token ${JSON.stringify(token)}, which is not in the vocabulary`);
      }
      return id;
    };
    for (const merge of merges) {
      if (typeof merge === "string" && merge.startsWith("#version")) continue;
      const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
      const rank = this.#results.length;
      if (!isPair(pair)) throw new Error(`${place}.${rank} is ${JSON.stringify(merge)}, which is no pair`);
      const [first, second] = pair;
      const tail = prefixBytes === 0 ? second : Buffer.from(second).subarray(prefixBytes).toString();
      this.#ranks.set(idOf(first, rank) * this.#span + idOf(second, rank), rank);
      this.#results.push(idOf(first + tail, rank));
    }
  }

  /** Merges in place until no pair is left that can be. */
  apply(ids: number[]): number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    const queue = new Queue(count);
    const rankOf = (first: number, second: number) =>
      this.#ranks.get(ids[first]! * this.#span + ids[second]!);
    const offer = (first: number, second: number) => {
      const rank = rankOf(first, second);
      if (rank !== undefined) queue.push(rank, first);
    };
    for (let index = 0; index < count; index++) {
      next[index] = index + 1;
      previous[index] = index - 1;
      if (index > 0) offer(index - 1, index);
    }
    while (queue.pop()) {
      const { rank, place } = queue;
      const right = next[place]!;
      if (ids[place] === GONE || right === count) continue;
      // What stands there now may be another pair than when it was put into the queue.
      const now = rankOf(place, right);
      if (now === undefined || this.#results[now] !== this.#results[rank]) continue;
      ids[place] = this.#results[rank]!;
      ids[right] = GONE;
      const after = (next[place] = next[right]!);
      if (after < count) previous[after] = place;
      if (previous[place]! >= 0) offer(previous[place]!, place);
      if (after < count) offer(place, after);
    }
    return ids.filter((id) => id !== GONE);
  }
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}

const GONE = -1;

/** A pair of ids below this is one exact number. */
const MOST_IDS = 2 ** 26;

/** The pairs that may be merged, lowest rank first, of equal ranks the first in the text. */
class Queue {
  rank = 0;
  place = 0;
  /** A binary heap of rank and place in one number. */
  readonly #heap: number[] = [];

  constructor(private readonly places: number) {}

  push(rank: number, place: number): void {
    const heap = this.#heap;
    const key = rank * this.places + place;
    let index = heap.push(key) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]! <= key) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = key;
  }

  /** Takes the first into `rank` and `place`; false when there is none. */
  pop(): boolean {
    const heap = this.#heap;
    if (heap.length === 0) return false;
    const first = heap[0]!;
    this.rank = Math.floor(first / this.places);
    this.place = first % this.places;
    const key = heap.pop()!;
    const count = heap.length;
    if (count === 0) return true;
    let index = 0;
    for (let child = 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= key) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = key;
    return true;
  }
}
