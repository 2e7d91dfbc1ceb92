import type { Columns } from "../rows/columns.js";
import type { Row } from "../rows/types.js";
import { isFailed, type Failed, type Outcome } from "./outcome.js";

/**
 * A copy of the row with the columns that scoring adds; the row itself is left as it is. What an earlier run left in
 * these columns goes.
 */
export function outputRow(row: Row, outcome: Outcome, columns: Columns): Row {
  const added: Row = isFailed(outcome)
    ? { [columns.score]: null, error: describe(outcome) }
    : { [columns.score]: outcome.score, ...(outcome.attributes && { attributes: outcome.attributes }) };
  const output = { ...row, ...added };
  for (const name of columns.written) if (!Object.hasOwn(added, name)) delete output[name];
  return output;
}

function describe({ code, path, message }: Failed): string {
  return path === "" ? `${code}: ${message}` : `${code}: ${path}: ${message}`;
}
