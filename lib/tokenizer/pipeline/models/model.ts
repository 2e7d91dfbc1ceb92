/** Makes tokens of a piece of text. */
export interface Model {
  /** How many tokens it has, which is the id of the first one that is added to them. */
  readonly size: number;
  idOf(token: string): number | undefined;
  /** Appends the ids of a piece. Throws an Error where there is no token for it, not even an unknown one. */
  encode(piece: string, ids: number[]): void;
}
