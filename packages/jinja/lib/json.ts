import { compareText, join, repeat, reprFloat } from "./text.js";
import { items } from "./attributes.js";
import { STEP, spend } from "./budget.js";
import { TemplateError } from "./error.js";
import { Float, type Value, isDict, typeName } from "./values.js";

export interface JsonOptions {
  ensureAscii: boolean;
  /** What one level is indented by; null writes one line. */
  indent: string | null;
  separators: readonly [item: string, key: string] | null;
  sortKeys: boolean;
}

/** Python's json.dumps, as transformers' `tojson` filter calls it: no HTML escapes, non-ASCII text left as it is. */
export function dumps(value: Value, options: JsonOptions): string {
  const [itemSeparator, keySeparator] = options.separators ?? [options.indent === null ? ", " : ",", ": "];
  const text = (content: string): string => {
    spend(content.length);
    const quoted = JSON.stringify(content);
    spend(quoted.length);
    if (!options.ensureAscii) return quoted;
    spend(6 * quoted.length);
    return quoted.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  };
  const container = (open: string, members: string[], close: string, depth: number): string => {
    if (members.length === 0) return open + close;
    if (options.indent === null) return open + join(members, itemSeparator) + close;
    const outer = `\n${repeat(options.indent, depth)}`;
    const inner = outer + options.indent;
    return open + inner + join(members, itemSeparator + inner) + outer + close;
  };
  const write = (item: Value, depth: number): string => {
    spend(STEP);
    if (typeof item === "string") return text(item);
    if (item === null || typeof item === "boolean") return String(item);
    if (item instanceof Float) return reprFloat(item.value);
    if (typeof item === "number") return Number.isInteger(item) ? String(BigInt(item)) : reprFloat(item);
    if (Array.isArray(item)) {
      return container(
        "[",
        Array.from(item, (child) => write(child, depth + 1)),
        "]",
        depth,
      );
    }
    if (!isDict(item)) throw new TemplateError(`Object of type ${typeName(item)} is not JSON serializable`);
    const entries = items(item) as [string, Value][];
    if (options.sortKeys) entries.sort(([a], [b]) => compareText(a, b));
    const members = entries.map(([key, child]) => join([text(key), write(child, depth + 1)], keySeparator));
    return container("{", members, "}", depth);
  };
  return write(value, 0);
}
