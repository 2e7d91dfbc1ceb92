/**
 * Sets and removes members of a JSON object in its text and leaves every other character as it is: numbers that a
 * double cannot hold, the order of keys, escapes.
 *
 * @param text JSON, also as Python writes it, whose value is the object `parsed`
 * @param members JSON text by key, which replaces the value of a key that is there and else goes to the end; undefined
 *   removes the key
 */
export function setMembers(
  text: string,
  parsed: object,
  members: Record<string, string | undefined>,
): string {
  const present = new Map(Object.entries(members).filter(([key]) => Object.hasOwn(parsed, key)));
  const result = present.size === 0 ? text : editMembers(text, present);
  const added = Object.entries(members)
    .filter(([key, value]) => value !== undefined && !present.has(key))
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`);
  if (added.length === 0) return result;
  const removed = [...present.values()].filter((value) => value === undefined).length;
  const comma = Object.keys(parsed).length === removed ? "" : ",";
  return `${result.slice(0, result.lastIndexOf("}")).trimEnd()}${comma}${added.join(",")}}`;
}

/** Where a member is in its text: `"name": value` from `start` to `end`. */
interface Span {
  name: string;
  start: number;
  value: number;
  end: number;
}

/** Edits all members with these keys: JSON allows duplicates, and readers differ in which they take. */
function editMembers(text: string, edits: ReadonlyMap<string, string | undefined>): string {
  const spans = findMembers(text);
  const isKept = ({ name }: Span) => !edits.has(name) || edits.get(name) !== undefined;
  const lastKept = spans.findLastIndex(isKept);
  let result = "";
  let copied = 0;
  const replace = (from: number, to: number, by: string) => {
    result += text.slice(copied, from) + by;
    copied = to;
  };
  for (const [i, span] of spans.entries()) {
    if (!isKept(span)) {
      // A member goes with the comma behind it; the last ones go with the comma before them.
      if (i < lastKept) replace(span.start, spans[i + 1]!.start, "");
    } else if (edits.has(span.name)) replace(span.value, span.end, edits.get(span.name)!);
    if (i === lastKept && i < spans.length - 1) replace(span.end, spans.at(-1)!.end, "");
  }
  if (lastKept === -1) replace(spans[0]!.start, spans.at(-1)!.end, "");
  return result + text.slice(copied);
}

function findMembers(text: string): Span[] {
  const spans: Span[] = [];
  let start = skipSpace(text, text.indexOf("{") + 1);
  while (text[start] === '"') {
    const keyEnd = skipString(text, start);
    const value = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, value);
    spans.push({ name: JSON.parse(text.slice(start, keyEnd)) as string, start, value, end });
    const next = skipSpace(text, end);
    start = text[next] === "," ? skipSpace(text, next + 1) : next;
  }
  return spans;
}

function skipSpace(text: string, at: number): number {
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at++;
  return at;
}

/** From an opening quote to behind the closing one, or to the end of the text. */
export function skipString(text: string, at: number): number {
  for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
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
