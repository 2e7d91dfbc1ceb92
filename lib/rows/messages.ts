import { describe, problemOfText } from "./text.js";
import type { Json, Message } from "./types.js";

/** Deep enough for any tool schema, and small enough to end on an object that holds itself. */
const MAX_DEPTH = 64;
/** More than any data set's, and few enough to end on objects that hold themselves twice: they double with each level. */
const MAX_VALUES = 1_000_000;

export type Report = (path: string, message: string) => void;

/**
 * Checks a conversation and copies it, so that what is encoded is plain data that can be sent to a worker.
 * Problems go to `report`; the result counts only when there were none.
 */
export function readConversation(value: unknown, path: string, report: Report): Message[] {
  if (!Array.isArray(value)) {
    report(path, `is ${describe(value)}; expected an array of { role, content } messages`);
    return [];
  }
  if (value.length === 0) report(path, "is empty; a conversation needs at least one message");
  const walk: Walk = { report, left: MAX_VALUES };
  try {
    return mapAll(value, walk, (message, index) => readMessage(message, `${path}[${index}]`, walk));
  } catch (error) {
    if (!(error instanceof TooManyValues)) throw error;
    report(path, `holds more than ${MAX_VALUES.toLocaleString("en")} values`);
    return [];
  }
}

interface Walk {
  report: Report;
  /** Values that may still be looked at. */
  left: number;
}

class TooManyValues extends Error {}

/** Asks for every index: an array may have holes, or an iterator of its own. */
function mapAll<V, T>(values: readonly V[], walk: Walk, map: (value: V, index: number) => T): T[] {
  walk.left -= values.length;
  if (walk.left < 0) throw new TooManyValues();
  return Array.from({ length: values.length }, (_, index) => map(values[index]!, index));
}

function readMessage(value: unknown, path: string, walk: Walk): Message {
  const { report } = walk;
  if (!isPlainObject(value)) {
    report(path, `is ${describe(value)}; expected an object with role and content`);
    return { role: "" };
  }
  if (value["role"] === undefined && "from" in value && "value" in value) {
    report(path, "has from and value; expected role (human is user, gpt is assistant) and content");
    return { role: "" };
  }
  if (typeof value["role"] !== "string") {
    report(`${path}.role`, `is ${describe(value["role"])}; expected a string like "user" or "assistant"`);
  }
  checkContent(value, path, walk);
  return copyMembers(
    value,
    path,
    walk,
    1,
    ([key, item]) => key !== "role" || typeof item === "string",
  ) as Message;
}

function checkContent(message: Record<string, unknown>, path: string, walk: Walk): void {
  const { report } = walk;
  const content = message["content"];
  if (typeof content === "string") return;
  if (content === undefined || content === null) {
    const calls = message["tool_calls"];
    if (Array.isArray(calls) && calls.length > 0) return;
    report(`${path}.content`, `is ${describe(content)}; expected a string`);
  } else if (Array.isArray(content)) {
    mapAll(content, walk, (part, index) => {
      const partPath = `${path}.content[${index}]`;
      if (!isPlainObject(part) || typeof part["type"] !== "string") {
        report(partPath, `is ${describe(part)}; expected a part like { type: "text", text: "…" }`);
      } else if (part["type"] === "text" && typeof part["text"] !== "string") {
        report(`${partPath}.text`, `is ${describe(part["text"])}; expected a string`);
      }
    });
  } else {
    report(`${path}.content`, `is ${describe(content)}; expected a string`);
  }
}

function copyJson(value: unknown, path: string, walk: Walk, depth: number): Json {
  const { report } = walk;
  if (typeof value === "string") {
    const problem = problemOfText(value);
    if (problem !== undefined) report(path, problem);
    return value;
  }
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) report(path, `is ${value}; only finite numbers can be rendered`);
    return value;
  }
  if (depth > MAX_DEPTH) {
    report(path, `is nested deeper than ${MAX_DEPTH} levels`);
    return null;
  }
  if (Array.isArray(value)) {
    return mapAll(value, walk, (item, index) => copyJson(item, `${path}[${index}]`, walk, depth + 1));
  }
  if (isPlainObject(value)) return copyMembers(value, path, walk, depth + 1);
  report(path, `is ${describe(value)}; expected JSON data`);
  return null;
}

function copyMembers(
  object: Record<string, unknown>,
  path: string,
  walk: Walk,
  depth: number,
  isWanted: (entry: [string, unknown]) => boolean = () => true,
): Record<string, Json> {
  const entries = Object.entries(object).filter(([key, item]) => item !== undefined && isWanted([key, item]));
  const copies = mapAll(
    entries,
    walk,
    ([key, item]) => [key, copyJson(item, `${path}.${key}`, walk, depth)] as const,
  );
  // Unlike assignments, works for a key named "__proto__".
  return Object.fromEntries(copies);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}
