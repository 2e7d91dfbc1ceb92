/** A piece of a vocabulary: its text, its score and its type, 1 where it is none of the others. */
export type Piece = [text: string, score: number, type?: number];

/** Settings by the numbers of their fields. */
type Fields = Record<number, number | string | Uint8Array>;

/** A model of SentencePiece as its own library writes it. */
export function modelProto(pieces: readonly Piece[], trainer: Fields = {}, normalizer: Fields = {}): Buffer {
  return Buffer.concat([
    ...pieces.map(([text, score, type]) =>
      field(
        1,
        Buffer.concat([field(1, text), float(2, score), ...(type === undefined ? [] : [field(3, type)])]),
      ),
    ),
    field(2, message(trainer)),
    field(3, message(normalizer)),
  ]);
}

function message(fields: Fields): Buffer {
  return Buffer.concat(Object.entries(fields).map(([number, value]) => field(Number(number), value)));
}

export function field(number: number, value: number | string | Uint8Array): Buffer {
  if (typeof value === "number") return Buffer.concat([varint(number * 8), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function float(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(number * 8 + 5), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
