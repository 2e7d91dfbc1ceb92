import { readLines } from "../io/lines.js";
import { setMembers } from "../io/json-object.js";
import type { InputFile } from "../io/input-file.js";
import type { Row } from "../rows/types.js";

/** A line of the input with what is known of it before it is scored. */
export interface InputRow {
  line: number;
  /** What the model is asked to score; an empty row, which no model scores, where the line is no JSON object. */
  row: Row;
  text: string;
  /** What is wrong with the line itself. */
  malformed: string | undefined;
  /** How much of the input is read with this row, from 0 to 1, where that is known. */
  fraction: number | undefined;
}

export async function* readRows(input: InputFile): AsyncGenerator<InputRow> {
  for await (const { number, text, end } of readLines(input)) {
    const fraction = input.fraction(end);
    try {
      if (text === undefined) throw new Error("it is not valid UTF-8");
      const row: unknown = JSON.parse(text);
      if (typeof row !== "object" || row === null || Array.isArray(row))
        throw new Error("it holds another value");
      yield { line: number, row: row as Row, text, malformed: undefined, fraction };
    } catch (error) {
      const malformed = `line ${number} is not a JSON object: ${(error as Error).message}`;
      yield { line: number, row: {}, text: "", malformed, fraction };
    }
  }
}

/** The line of the output: the input's own text with the columns that scoring adds. */
export function formatRow(input: InputRow, scored: Row, added: string[], scoreColumn: string): string {
  if (input.malformed !== undefined) {
    return JSON.stringify({ line: input.line, [scoreColumn]: null, error: errorOf(input, scored) });
  }
  const columns = added.filter((column) => scored[column] !== undefined);
  const members = columns.map((column) => [column, JSON.stringify(scored[column])] as const);
  return setMembers(input.text, input.row, Object.fromEntries(members));
}

export function errorOf(input: InputRow, scored: Row): string {
  return input.malformed === undefined ? String(scored.error) : `ERR_INVALID_ROWS: ${input.malformed}`;
}
