import { describe, problemOfText } from "./text.js";
import type { Json, Message } from "./types.js";

/** Deep enough for any tool schema, and small enough to end on an object that holds itself. */
const MAX_DEPTH = 64;

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
  return Array.from(value, (message, index) => readMessage(message, `${path}[${index}]`, report));
}

function readMessage(value: unknown, path: string, report: Report): Message {
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
  checkContent(value, path, report);
  const copy: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || (key === "role" && typeof item !== "string")) continue;
    define(copy, key, copyJson(item, `${path}.${key}`, report, 1));
  }
  return copy as Message;
}

function checkContent(message: Record<string, unknown>, path: string, report: Report): void {
  const content = message["content"];
  if (typeof content === "string") return;
  if (content === undefined || content === null) {
    const calls = message["tool_calls"];
    if (Array.isArray(calls) && calls.length > 0) return;
    report(`${path}.content`, `is ${describe(content)}; expected a string`);
  } else if (Array.isArray(content)) {
    content.forEach((part: unknown, index) => {
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

function copyJson(value: unknown, path: string, report: Report, depth: number): Json {
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
    return value.map((item, index) => copyJson(item, `${path}[${index}]`, report, depth + 1));
  }
  if (isPlainObject(value)) {
    const copy: Record<string, Json> = {};
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined) define(copy, key, copyJson(item, `${path}.${key}`, report, depth + 1));
    }
    return copy;
  }
  report(path, `is ${describe(value)}; expected JSON data`);
  return null;
}

/** Unlike an assignment, works for a key named "__proto__". */
function define(target: Record<string, Json>, key: string, value: Json): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}
