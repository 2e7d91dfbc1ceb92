import { repr, str } from "./text.js";
import { spend } from "./budget.js";
import { TemplateError } from "./error.js";
import { Tuple, type Value, characters, isDict, iterate, numberOf, typeName } from "./values.js";

const DIRECTIVE = /%(?:\((\w+)\))?([-0+ #]*)([1-9]\d*)?(?:\.(\d+))?([a-zA-Z%])/g;

/** Python's `format % values` with the conversions that text is made of: s, r, d, i, f, x and %%. */
export function printf(format: string, values: Value): string {
  spend(format.length);
  const positional = values instanceof Tuple ? iterate(values) : [values];
  const named = isDict(values) ? values : undefined;
  let next = 0;
  const result = format.replace(
    DIRECTIVE,
    (_all, name?: string, flags?: string, width?: string, precision?: string, kind?: string) => {
      if (kind === "%") return "%";
      if (name === undefined && next >= positional.length) {
        throw new TemplateError("not enough arguments for format string");
      }
      const value = name === undefined ? positional[next++]! : named?.[name];
      if (value === undefined) throw new TemplateError(`format needs a value for '${name}'`);
      return pad(convert(value, kind!, precision), flags ?? "", Number(width ?? 0));
    },
  );
  if (next < positional.length && named === undefined) {
    throw new TemplateError("not all arguments converted during string formatting");
  }
  return result;
}

function convert(value: Value, kind: string, precision: string | undefined): string {
  if (kind === "s" || kind === "r") {
    const text = kind === "s" ? str(value) : repr(value);
    return precision === undefined ? text : characters(text).slice(0, Number(precision)).join("");
  }
  const number = numberOf(value);
  if (number === undefined) {
    throw new TemplateError(`%${kind} format: a real number is required, not ${typeName(value)}`);
  }
  if (kind === "d" || kind === "i") return String(Math.trunc(number));
  if (kind === "f") {
    if (Number(precision ?? 6) > 100) throw new TemplateError("a precision above 100 is not supported");
    return number.toFixed(Number(precision ?? 6));
  }
  if (kind === "x") return Math.trunc(number).toString(16);
  throw new TemplateError(`unsupported format character '${kind}'`);
}

function pad(text: string, flags: string, width: number): string {
  spend(text.length + width);
  const signed = flags.includes("+") && /^\d/.test(text) ? `+${text}` : text;
  if (flags.includes("-")) return signed.padEnd(width);
  if (!flags.includes("0")) return signed.padStart(width);
  const sign = /^[-+]/.exec(signed)?.[0] ?? "";
  return sign + signed.slice(sign.length).padStart(width - sign.length, "0");
}
