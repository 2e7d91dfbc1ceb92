import { RewardModelScoreError, type RowProblem } from "../errors.js";
import { describeColumns } from "./column-hint.js";
import type { Columns } from "./columns.js";
import { readConversation, type Report } from "./messages.js";
import { describe, problemOfText, reasonOf } from "./text.js";
import type { InputFormat, Message, Pair, Row, RowInput } from "./types.js";

export interface ReadOptions {
  columns: Columns;
  inputFormat: InputFormat;
}

/** The row's own columns, of which later only this copy is looked at, and what they ask to be scored. */
export type RowReading = { columns: Row } & ({ input: RowInput } | { problems: RowProblem[] });

/**
 * Reads what one row asks to be scored: its instruction and response when it has both, else its conversation.
 * A column that is null or undefined counts as absent, as in tables that have all columns in every row.
 */
export function readRow(row: unknown, index: number, options: ReadOptions): RowReading {
  const problems: RowProblem[] = [];
  const report: Report = (path, message) => problems.push({ index, path, message });
  const columns = copyColumns(row, report);
  let input: RowInput | undefined;
  try {
    input = problems.length > 0 ? undefined : readInput(row, columns, options, report);
  } catch (error) {
    report("", `cannot be read: ${reasonOf(error)}`);
  }
  return problems.length > 0 || input === undefined ? { columns, problems } : { columns, input };
}

/** What a getter of the row throws is this row's problem; its other columns are kept. */
function copyColumns(row: unknown, report: Report): Row {
  if (!isObject(row)) return {};
  try {
    return { ...row };
  } catch {
    return copyReadable(row, report);
  }
}

function copyReadable(row: object, report: Report): Row {
  const columns: [string, unknown][] = [];
  try {
    for (const name of Object.keys(row)) {
      try {
        columns.push([name, (row as Row)[name]]);
      } catch (error) {
        report(name, `cannot be read: ${reasonOf(error)}`);
      }
    }
  } catch (error) {
    report("", `cannot be read: ${reasonOf(error)}`);
  }
  return Object.fromEntries(columns);
}

/** Arrays have no columns. A proxy that was revoked has none that can be read, and is told of as such. */
function isObject(row: unknown): row is object {
  try {
    return typeof row === "object" && row !== null && !Array.isArray(row);
  } catch {
    return true;
  }
}

/** How many problems the message of an error spells out; `details.problems` always has all of them. */
const SPELLED_OUT = 10;

export function invalidRows(problems: RowProblem[]): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  const rows = new Set(problems.map((problem) => problem.index)).size;
  const lines = problems.slice(0, SPELLED_OUT).map((problem) => `  ${formatProblem(problem)}`);
  if (problems.length > SPELLED_OUT) lines.push(`  and ${problems.length - SPELLED_OUT} more`);
  const subject = rows === 1 ? "1 row" : `${rows} rows`;
  return new RewardModelScoreError(
    "ERR_INVALID_ROWS",
    `${subject} cannot be scored, so nothing was computed:\n${lines.join("\n")}`,
    { problems },
  );
}

export function formatProblem({ index, path, message }: RowProblem): string {
  return `row ${index}: ${path === "" ? "" : `${path} `}${message}`;
}

function readInput(row: unknown, own: Row, options: ReadOptions, report: Report): RowInput | undefined {
  if (!isObject(row)) {
    report("", `is ${describe(row)}; expected an object`);
    return undefined;
  }
  const column = (name: string) => readColumn(row as Row, own, name) ?? undefined;
  const names = options.columns;
  const instruction = column(names.instruction);
  const response = column(names.response);
  if (instruction !== undefined && response !== undefined) {
    const question = readText(instruction, names.instruction, report);
    const answer = readText(response, names.response, report);
    return options.inputFormat === "pair" ? { question, answer } : pairMessages(question, answer);
  }
  const conversation = column(names.conversation);
  if (conversation !== undefined) {
    const messages = readConversation(conversation, names.conversation, report);
    return options.inputFormat === "pair" ? readPair(messages, names.conversation, report) : messages;
  }
  const has = describeColumns(own, names);
  if (instruction !== undefined || response !== undefined) {
    const [present, absent] =
      instruction !== undefined ? [names.instruction, names.response] : [names.response, names.instruction];
    report(
      absent,
      `is ${describe(own[absent])} although the row has ${present}, and a row needs both; ${has}`,
    );
  } else if (typeof column("then") === "function") {
    report("", "is a promise; is an await missing?");
  } else {
    report("", `has neither ${names.instruction} and ${names.response} nor ${names.conversation}; ${has}`);
  }
  return undefined;
}

/** A class may offer a column that is not its own, but not what every object has, like toString. */
function readColumn(row: Row, own: Row, name: string): unknown {
  if (Object.hasOwn(own, name)) return own[name];
  return name in Object.prototype ? undefined : row[name];
}

function readText(value: unknown, path: string, report: Report): string {
  if (typeof value !== "string") {
    report(path, `is ${describe(value)}; expected a string`);
    return "";
  }
  const problem = problemOfText(value);
  if (problem !== undefined) report(path, problem);
  return value;
}

function pairMessages(question: string, answer: string): Message[] {
  return [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ];
}

/** A conversation is a question and its answer only when it is exactly that: nothing is dropped in silence. */
function readPair(messages: Message[], path: string, report: Report): Pair | undefined {
  const [first, second] = messages;
  if (
    messages.length === 2 &&
    first?.role === "user" &&
    second?.role === "assistant" &&
    typeof first.content === "string" &&
    typeof second.content === "string"
  ) {
    return { question: first.content, answer: second.content };
  }
  report(
    path,
    'is not one user text and one assistant text, which is all that inputFormat "pair" can encode',
  );
  return undefined;
}
