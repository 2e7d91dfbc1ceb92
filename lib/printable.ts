/**
 * Controls of a terminal (C0, delete, C1), the characters that turn the direction of a line, and what else ends one. Line
 * feeds and tabs stay.
 */
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g; // eslint-disable-line no-control-regex

/**
 * A text that others wrote (a server, a repository, a row) as it may stand in a message or on a terminal: what would
 * move the cursor, change colours or hide what follows is spelled out, like `\u001b`.
 */
export function printable(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
