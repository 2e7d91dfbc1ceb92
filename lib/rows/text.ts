/** Surrogates that are not part of a pair: such text is no Unicode, and tokenizers disagree about what it means. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** What is wrong with a text, or undefined. */
export function problemOfText(text: string): string | undefined {
  const match = LONE_SURROGATE.exec(text);
  if (match === null) return undefined;
  const unit = match[0].charCodeAt(0).toString(16).toUpperCase();
  return `has a lone surrogate (U+${unit}) at offset ${match.index}, which is not Unicode text; String.prototype.toWellFormed() replaces such characters`;
}

/** Names the type of a value in a message. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  try {
    if (Array.isArray(value)) return "an array";
    const type = typeof value;
    if (type !== "object") return `a ${type}`;
    const name = Object.prototype.toString.call(value).slice(8, -1);
    return name === "Object" ? "an object" : `a ${name}`;
  } catch {
    return "an object that cannot be read";
  }
}

/** What was thrown, in words: it may be anything. */
export function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown);
  } catch {
    return "what was thrown cannot be read";
  }
}
