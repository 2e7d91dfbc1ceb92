import type { EncodedRow } from "../batching/row.js";
import { RewardModelScoreError, type RowProblem } from "../errors.js";
import type { OpenModel } from "./scoring-model.js";
import type { Columns } from "../rows/columns.js";
import { readRow } from "../rows/read.js";
import type { Row, RowInput } from "../rows/types.js";
import type { Failed } from "./outcome.js";

/** A window of rows that is ready to run. */
export interface PreparedWindow {
  /** The rows' own columns as they were read. */
  source: Row[];
  /** [rows] its tokens, or why it has none. */
  rows: (EncodedRow | Failed)[];
  /** Everything that is wrong with any of the rows. */
  problems: RowProblem[];
  truncatedRows: number;
  truncatedTokens: number;
}

/**
 * Rows → messages → text → tokens. A row that fails on the way keeps its place.
 *
 * @param offset index of the window's first row, for the problems
 */
export async function prepareWindow(
  model: OpenModel,
  source: unknown[],
  offset: number,
  columns: Columns,
  signal: AbortSignal,
): Promise<PreparedWindow> {
  signal.throwIfAborted();
  const window: PreparedWindow = {
    source: [],
    rows: new Array<EncodedRow | Failed>(source.length),
    problems: [],
    truncatedRows: 0,
    truncatedTokens: 0,
  };
  const fail = (place: number, problems: RowProblem[]) => {
    const [first] = problems;
    const { code = "ERR_INVALID_ROWS", path, message } = first!;
    window.rows[place] = { code, path, message };
    window.problems.push(...problems);
  };

  const places: number[] = [];
  const inputs: RowInput[] = [];
  source.forEach((row, place) => {
    const read = readRow(row, offset + place, { columns, inputFormat: model.inputFormat });
    window.source.push(read.columns);
    if ("problems" in read) return fail(place, read.problems);
    places.push(place);
    inputs.push(read.input);
  });

  const encoded = await model.encode(inputs, signal);
  encoded.forEach((result, i) => {
    const place = places[i]!;
    if (result.problem) return fail(place, [{ ...result.problem, index: offset + place }]);
    try {
      window.rows[place] = model.toRow(result.fields);
    } catch (error) {
      if (!RewardModelScoreError.is(error)) throw error;
      return fail(place, [{ index: offset + place, path: "", message: error.message }]);
    }
    if (result.truncated > 0) {
      window.truncatedRows++;
      window.truncatedTokens += result.truncated;
    }
  });
  window.problems.sort((a, b) => a.index - b.index);
  return window;
}
