import { printable } from "../printable.js";
import type { Columns } from "./columns.js";
import type { Row } from "./types.js";

/** What data sets call the step's columns, the likelier ones first. */
const NAMES = {
  instruction: ["instruction", "prompt", "question", "query", "input", "problem", "user"],
  response: ["response", "answer", "completion", "output", "generation", "chosen", "reply", "solution"],
  conversation: ["conversation", "messages", "conversations", "dialogue", "dialog", "chat", "chosen"],
};
/** Several responses in one row. */
const LISTS = ["responses", "completions", "generations", "answers", "candidates", "outputs"];

const MOST_NAMES = 12;
const LONGEST_NAME = 40;

type Name = keyof typeof NAMES;

/** What a row that lacks some of the step's columns has instead, and what would make it a row that can be read. */
export function describeColumns(row: Row, columns: Columns): string {
  const names = Object.keys(row);
  if (names.length === 0) return "it has no columns";
  const listed = names.slice(0, MOST_NAMES).map(spell).join(", ");
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  const advice = advise(row, columns);
  return `its columns are ${listed}${more}${advice === undefined ? "" : `: ${advice}`}`;
}

function advise(row: Row, columns: Columns): string | undefined {
  const find = (names: readonly string[], test: (value: unknown) => boolean) =>
    names
      .flatMap((name) => Object.keys(row).filter((column) => column.toLowerCase() === name))
      .find((column) => test(row[column]));
  const isText = (value: unknown) => typeof value === "string";
  const instruction = isText(row[columns.instruction])
    ? columns.instruction
    : find(NAMES.instruction, isText);
  const response = isText(row[columns.response]) ? columns.response : find(NAMES.response, isText);
  if (instruction !== undefined && response !== undefined)
    return map({ instruction, response }, row, columns);

  const prompt = find(["prompt"], isMessages);
  const completion = find(["completion", "chosen"], isMessages);
  if (prompt !== undefined && completion !== undefined && !startsAnew(row[completion])) {
    return `together they are a conversation, which jq -c '.conversation = .${prompt} + .${completion}' makes of them`;
  }
  const conversation = find(NAMES.conversation, isMessages);
  if (conversation !== undefined) return map({ conversation }, row, columns);

  const list = find(LISTS, (value) => Array.isArray(value) && value.every(isText));
  if (instruction !== undefined && list !== undefined) {
    const mapped = instruction === columns.instruction ? "" : `, then ${map({ instruction }, row, columns)}`;
    return `make a row of each of ${list} with jq -c '.${columns.response} = .${list}[]'${mapped}`;
  }
  return undefined;
}

/** The mappings that read these columns, in the words of the API and of the command line. */
function map(found: Partial<Record<Name, string>>, row: Row, columns: Columns): string | undefined {
  const pairs = Object.entries(found).filter(([name, column]) => columns[name as Name] !== column);
  if (pairs.length === 0) return undefined;
  const object = pairs.map(([name, column]) => `${name}: ${JSON.stringify(column)}`).join(", ");
  const flag = pairs.map(([name, column]) => `${name}=${column}`).join(",");
  const again =
    Object.values(found).includes("chosen") && "rejected" in row ? ", and once more for rejected" : "";
  return `inputMappings { ${object} } reads them (--input-mappings ${flag})${again}`;
}

function isMessages(value: unknown): boolean {
  const [first] = Array.isArray(value) ? (value as unknown[]) : [];
  return typeof first === "object" && first !== null && ("role" in first || "from" in first);
}

/** Whether a conversation has its question in it, and is not only the answer to one. */
function startsAnew(value: unknown): boolean {
  return (value as { role?: unknown }[])[0]?.role !== "assistant";
}

function spell(name: string): string {
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
  return /^[\w.-]+$/.test(short) ? short : printable(JSON.stringify(short));
}
