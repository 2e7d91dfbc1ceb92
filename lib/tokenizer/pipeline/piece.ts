/** A stretch of text on its way to tokens. */
export interface Piece {
  text: string;
  /** How many UTF-16 units at its beginning stem from the first character that the tokenizer was given. */
  head: number;
}

export function slice({ text, head }: Piece, start: number, end: number): Piece {
  return { text: text.slice(start, end), head: Math.max(0, Math.min(head, end) - start) };
}

/** UTF-16 units of the character at a place. */
export function characterLength(text: string, place: number): number {
  return text.codePointAt(place)! > 0xffff ? 2 : 1;
}
