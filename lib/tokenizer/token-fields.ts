/** What a model may read of a token beside its id. */
export type TokenField = "token_types";

/** The fields that a model reads, and how many values each has there: those from 0 on. */
export type TokenFieldSizes = Readonly<Partial<Record<TokenField, number>>>;

/**
 * What is known of each token of a row, by name: arrays of one length. "ids" is always there. The tokenizer makes what
 * else the model reads, its stages find it in their batch under the same name, and nothing between them knows the names.
 */
export type TokenFields<Memory extends ArrayBufferLike = ArrayBufferLike> = Record<
  "ids",
  Int32Array<Memory>
> &
  Record<string, Int32Array<Memory>>;

/** The tokens from `start` to before `end`, in the same memory. */
export function sliceFields(fields: TokenFields, start: number, end: number): TokenFields {
  const slices = Object.entries(fields).map(([name, values]) => [name, values.subarray(start, end)]);
  return Object.fromEntries(slices) as TokenFields;
}

/**
 * The tokens of several pieces one after the other.
 *
 * @param names of the fields to take, "ids" among them; every piece has them
 */
export function joinFields(
  names: readonly string[],
  pieces: readonly TokenFields[],
): TokenFields<ArrayBuffer> {
  const length = pieces.reduce((sum, { ids }) => sum + ids.length, 0);
  const joined = names.map((name) => {
    const values = new Int32Array(length);
    let at = 0;
    for (const piece of pieces) {
      values.set(piece[name]!, at);
      at += piece.ids.length;
    }
    return [name, values];
  });
  return Object.fromEntries(joined) as TokenFields<ArrayBuffer>;
}
