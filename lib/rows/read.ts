import { RewardModelScoreError, type RowProblem } from "../errors.js";
import { describeColumns } from "./column-hint.js";
import type { Columns } from "./columns.js";
import { readConversation, type Report } from "./messages.js";
import { describe, problemOfText } from "./text.js";
import type { InputFormat, Message, Pair, Row, RowInput } from "./types.js";

export interface ReadOptions {
  columns: Columns;
  inputFormat: InputFormat;
}

export type RowReading = { input: RowInput } | { problems: RowProblem[] };

/**
 * Reads what one row asks to be scored: its instruction and response when it has both, else its conversation.
 * A column that is null or undefined counts as absent, as in tables that have all columns in every row.
 */
export function readRow(row: unknown, index: number, options: ReadOptions): RowReading {
  const problems: RowProblem[] = [];
  const report: Report = (path, message) => problems.push({ index, path, message });
  const input = readInput(row, options, report);
  return problems.length > 0 || input === undefined ? { problems } : { input };
}

/** Reads all rows, or throws one ERR_INVALID_ROWS that lists everything that is wrong with any of them. */
export function readRows(rows: readonly unknown[], options: ReadOptions): RowInput[] {
  const inputs: RowInput[] = [];
  const problems: RowProblem[] = [];
  for (const [index, row] of rows.entries()) {
    const reading = readRow(row, index, options);
    if ("input" in reading) inputs.push(reading.input);
    else problems.push(...reading.problems);
  }
  if (problems.length > 0) throw invalidRows(problems);
  return inputs;
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

function readInput(row: unknown, options: ReadOptions, report: Report): RowInput | undefined {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    report("", `is ${describe(row)}; expected an object`);
    return undefined;
  }
  const { instruction, response, conversation } = options.columns;
  const read = (column: string) => readColumn(row as Row, column);
  const hasInstruction = isPresent(read(instruction));
  const hasResponse = isPresent(read(response));
  if (hasInstruction && hasResponse) {
    const question = readText(read(instruction), instruction, report);
    const answer = readText(read(response), response, report);
    return options.inputFormat === "pair" ? { question, answer } : pairMessages(question, answer);
  }
  if (isPresent(read(conversation))) {
    const messages = readConversation(read(conversation), conversation, report);
    return options.inputFormat === "pair" ? readPair(messages, conversation, report) : messages;
  }
  const has = describeColumns(row as Row, options.columns);
  if (hasInstruction || hasResponse) {
    const [present, absent] = hasInstruction ? [instruction, response] : [response, instruction];
    report(
      absent,
      `is ${describe(read(absent))} although the row has ${present}, and a row needs both; ${has}`,
    );
  } else {
    report("", `has neither ${instruction} and ${response} nor ${conversation}; ${has}`);
  }
  return undefined;
}

/** Not what every object has of its own, like toString. */
function readColumn(row: Row, column: string): unknown {
  return Object.hasOwn(row, column) || !(column in Object.prototype) ? row[column] : undefined;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
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
