import type { Columns } from "./columns.js";
import type { Row } from "./types.js";

/** A copy of the row with its score; the row itself is left as it is. */
export function withScore<Score>(row: Row, score: Score, columns: Columns): Row {
  return { ...row, [columns.score]: score };
}
