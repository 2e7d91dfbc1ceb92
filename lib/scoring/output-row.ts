import type { Columns } from "../rows/columns.js";
import type { Row } from "../rows/types.js";
import { isFailed, type Failed, type Outcome } from "./outcome.js";

/** A copy of the row with the columns that scoring adds; the row itself is left as it is. */
export function outputRow(row: Row, outcome: Outcome, columns: Columns): Row {
  if (isFailed(outcome)) return { ...row, [columns.score]: null, error: describe(outcome) };
  const { score, attributes } = outcome;
  return { ...row, [columns.score]: score, ...(attributes && { attributes }) };
}

function describe({ code, path, message }: Failed): string {
  return path === "" ? `${code}: ${message}` : `${code}: ${path}: ${message}`;
}
