import * as v from "valibot";

/** Options of a component of tokenizer.json; throws an Error that names the option and its place. */
export function options<Schema extends v.GenericSchema>(
  schema: Schema,
  config: unknown,
  place: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, config);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const option = v.getDotPath(issue);
  throw new Error(`${option === null ? place : `${place}.${option}`}: ${issue.message}`);
}

/** Makes a component of its config, by its type. */
export type Builders<Component> = Record<string, (config: unknown, place: string) => Component>;

const Typed = v.looseObject({ type: v.string() });

export function build<Component>(builders: Builders<Component>, config: unknown, place: string): Component {
  const { type } = options(Typed, config, place);
  const builder = Object.hasOwn(builders, type) ? builders[type] : undefined;
  if (builder === undefined) {
    throw new Error(
      `${place} is of type ${JSON.stringify(type)}, which is not supported (supported are ${Object.keys(builders).join(", ")}); name another tokenizer with the option tokenizer`,
    );
  }
  return builder(config, place);
}
