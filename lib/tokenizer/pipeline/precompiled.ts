import * as v from "valibot";
import { options } from "./component.js";

const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });
const encoder = new TextEncoder();

/**
 * SentencePiece's precompiled normalization: a trie from byte sequences to places in a pool of texts that end with a
 * zero byte. Graphemes of up to five bytes are looked up as a whole, others character by character, and the shortest
 * entry that the bytes begin with replaces all of them.
 */
export function precompiled(config: unknown, place: string): (text: string) => string {
  const { precompiled_charsmap } = options(
    v.looseObject({ precompiled_charsmap: v.string() }),
    config,
    place,
  );
  const lookUp = charsmap(Buffer.from(precompiled_charsmap, "base64"), `${place}.precompiled_charsmap`);
  const cache = new Map<string, string | undefined>();
  const transform = (text: string): string | undefined => {
    if (!cache.has(text)) cache.set(text, lookUp(encoder.encode(text)));
    return cache.get(text);
  };
  return (text) => {
    let result = "";
    for (const { segment } of segmenter.segment(text)) {
      const whole = Buffer.byteLength(segment) < 6 ? transform(segment) : undefined;
      if (whole !== undefined) result += whole;
      else for (const character of segment) result += transform(character) ?? character;
    }
    return result;
  };
}

/** A Darts double array: the size of the trie in bytes, its units, the pool. */
function charsmap(bytes: Buffer, place: string): (key: Uint8Array) => string | undefined {
  const size = bytes.length < 4 ? -1 : bytes.readUInt32LE(0);
  if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
    throw new Error(`${place} is damaged: its trie does not fit into it`);
  }
  const units = Uint32Array.from({ length: size / 4 }, (_unit, index) => bytes.readUInt32LE(4 + index * 4));
  const pool = bytes.subarray(4 + size);
  const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
  return (key) => {
    let node = offset(units[0]!);
    for (const byte of key) {
      if (byte === 0) return undefined;
      node ^= byte;
      const unit = units[node];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
      node ^= offset(unit);
      if ((unit & 0x100) !== 0) {
        const start = (units[node] ?? 0) & 0x7fffffff;
        const end = pool.indexOf(0, start);
        return pool.toString("utf8", start, end < 0 ? pool.length : end);
      }
    }
    return undefined;
  };
}
