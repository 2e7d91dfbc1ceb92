/**
 * Sets members of a JSON object in its text and leaves every other character as it is: numbers that a double cannot
 * hold, the order of keys, escapes.
 *
 * @param text valid JSON whose value is the object `parsed`
 * @param members JSON text by key: replaces the value of a key that is there, else goes to the end
 */
export function setMembers(text: string, parsed: object, members: Record<string, string>): string {
  let result = text;
  const added: string[] = [];
  for (const [key, value] of Object.entries(members)) {
    if (Object.hasOwn(parsed, key)) result = replaceValue(result, key, value);
    else added.push(`${JSON.stringify(key)}:${value}`);
  }
  if (added.length === 0) return result;
  const end = result.lastIndexOf("}");
  const comma = Object.keys(parsed).length === 0 ? "" : ",";
  return `${result.slice(0, end).trimEnd()}${comma}${added.join(",")}}`;
}

/** Replaces the values of all members with this key: JSON allows duplicates, and readers differ in which they take. */
function replaceValue(text: string, key: string, value: string): string {
  let result = "";
  let copied = 0;
  let at = skipSpace(text, text.indexOf("{") + 1);
  while (text[at] === '"') {
    const keyEnd = skipString(text, at);
    const name = JSON.parse(text.slice(at, keyEnd)) as string;
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (name === key) {
      result += text.slice(copied, start) + value;
      copied = end;
    }
    const next = skipSpace(text, end);
    at = text[next] === "," ? skipSpace(text, next + 1) : next;
  }
  return result + text.slice(copied);
}

function skipSpace(text: string, at: number): number {
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at++;
  return at;
}

/** From an opening quote to behind the closing one. */
function skipString(text: string, at: number): number {
  for (at++; text[at] !== '"'; at++) if (text[at] === "\\") at++;
  return at + 1;
}

function skipValue(text: string, at: number): number {
  let depth = 0;
  for (;;) {
    const character = text[at];
    if (character === '"') {
      at = skipString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") {
      // A number or word that ends its object.
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (character === "," || character === undefined || skipSpace(text, at) > at))
      return at;
    at++;
  }
}
