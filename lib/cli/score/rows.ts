import { RewardModelScoreError } from "../../errors.js";
import { recognizeKind } from "../../io/file-kind.js";
import { InputFile } from "../../io/input-file.js";
import { setMembers } from "../../io/json-object.js";
import { readLines } from "../../io/lines.js";
import { parsePythonJson } from "../../io/python-json.js";
import type { Columns } from "../../rows/columns.js";
import type { Row } from "../../rows/types.js";

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

/** Opens a file of rows. What it is shows at once, unless it is a pipe, which may be silent for long. */
export async function openRows(path: string): Promise<InputFile> {
  const input = await InputFile.open(path);
  try {
    if (input.stats.isFile()) await requireJsonLines(input);
    return input;
  } catch (error) {
    input.close();
    throw error;
  }
}

async function requireJsonLines(input: InputFile): Promise<void> {
  const kind = recognizeKind(await input.head());
  if (kind === undefined) return;
  const { name, isStandardInput } = input;
  const file = isStandardInput
    ? "FILE"
    : /^[\w./-]+$/.test(name)
      ? name
      : `'${name.replaceAll("'", "'\\''")}'`;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${name} is ${kind.name}, not JSON Lines, which has a JSON object on each line. To convert it: ${kind.remedy(file)}`,
    { feature: kind.name },
  );
}

export async function* readRows(input: InputFile): AsyncGenerator<InputRow> {
  await requireJsonLines(input);
  for await (const line of readLines(input)) {
    const { number, end } = line;
    const fraction = input.fraction(end);
    try {
      if ("problem" in line) throw new Error(line.problem);
      const row = parsePythonJson(line.text);
      if (typeof row !== "object" || row === null || Array.isArray(row))
        throw new Error("it holds another value");
      yield { line: number, row: row as Row, text: line.text, malformed: undefined, fraction };
    } catch (error) {
      const malformed = `line ${number} is not a JSON object: ${(error as Error).message}`;
      yield { line: number, row: {}, text: "", malformed, fraction };
    }
  }
}

/** The line of the output: the input's own text with the columns that scoring writes, and without its stale ones. */
export function formatRow(input: InputRow, scored: Row, columns: Columns): string {
  if (input.malformed !== undefined) {
    return JSON.stringify({ line: input.line, [columns.score]: null, error: errorOf(input, scored) });
  }
  const members = columns.written.map((column) => [column, JSON.stringify(scored[column])] as const);
  return setMembers(input.text, input.row, Object.fromEntries(members));
}

export function errorOf(input: InputRow, scored: Row): string {
  return input.malformed === undefined ? String(scored.error) : `ERR_INVALID_ROWS: ${input.malformed}`;
}
