import { randomUUID } from "node:crypto";
import { skipString } from "./json-object.js";

/** What Python's `json` writes for floats that JSON has no words for. */
const WORDS = new Map([
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);

/** Parses JSON as Python's `json` writes and reads it: with NaN, Infinity and -Infinity as numbers. */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // An object with a key that no text has stands for each of the words: where a key should be, it is an error.
    const mark = randomUUID();
    const marked = markWords(text, mark);
    if (marked === text) throw error;
    try {
      return JSON.parse(marked, (_key, value: unknown) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, mark)
          ? WORDS.get((value as Record<string, string>)[mark]!)
          : value,
      );
    } catch {
      throw error;
    }
  }
}

function markWords(text: string, mark: string): string {
  let result = "";
  let copied = 0;
  for (let at = 0; at < text.length;) {
    if (text[at] === '"') {
      at = skipString(text, at);
      continue;
    }
    const word = [...WORDS.keys()].find((word) => text.startsWith(word, at));
    if (word !== undefined) {
      result += `${text.slice(copied, at)}{"${mark}":"${word}"}`;
      copied = at + word.length;
    }
    at += word?.length ?? 1;
  }
  return result + text.slice(copied);
}
