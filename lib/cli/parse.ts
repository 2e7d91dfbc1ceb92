import { InvalidArgumentError } from "commander";

export function parsePositive(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError("Use a whole number from 1 on.");
  return number;
}

/** `name=value` pairs with commas between them; an option that is given again adds to them. */
export function parsePairs(value: string, previous: Record<string, string> = {}): Record<string, string> {
  const pairs = new Map(Object.entries(previous));
  for (const pair of value.split(",")) {
    const at = pair.indexOf("=");
    if (at < 1 || at === pair.length - 1) throw new InvalidArgumentError(`"${pair}" is not like name=value.`);
    const name = pair.slice(0, at);
    if (pairs.has(name)) throw new InvalidArgumentError(`${name} has two values.`);
    pairs.set(name, pair.slice(at + 1));
  }
  return Object.fromEntries(pairs);
}

export function parseJsonObject(value: string): Record<string, string | number> {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Record<string, string | number>;
    }
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("It is not a JSON object.");
}
