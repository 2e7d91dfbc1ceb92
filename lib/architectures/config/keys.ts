import * as v from "valibot";
import { configError } from "./errors.js";

/** config.json, of which whoever reads a key checks it. */
export type Config = Readonly<Record<string, unknown>>;

/** An integer from 1 to a bound that no published model comes near: what is larger is damage or an attack. */
export const count = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));
export const length = count(2 ** 30);
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
export const finite = v.pipe(v.number(), v.finite());

/**
 * The keys that a schema names, all of them checked; others pass.
 *
 * @param path of the object inside config.json: "rope_parameters."
 */
export function parseKeys<S extends v.GenericSchema>(schema: S, json: unknown, path = ""): v.InferOutput<S> {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw configError(`"${path}${v.getDotPath(issue) ?? ""}": ${issue.message}.`);
}

/** One number or a list of them, at least `minimum` each; undefined where the config has none. */
export function parseNumbers(json: unknown, path: string, minimum = -Infinity): number[] | undefined {
  const number = v.pipe(finite, v.minValue(minimum));
  const parsed = parseKeys(v.nullish(v.union([number, v.array(number)])), json, path);
  return typeof parsed === "number" ? [parsed] : (parsed ?? undefined);
}
