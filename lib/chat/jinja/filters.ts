import { sequenceFilters } from "./sequence-filters.js";
import { TEXT_FILTERS, type Filter } from "./text-filters.js";
import { type Kwargs, TemplateError, type Value } from "./values.js";

const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...TEXT_FILTERS,
  ...sequenceFilters((name, value, args, kwargs) => runFilter(name, value, args, kwargs)),
]);

/** Jinja's filters, `tojson` being transformers' own. */
export function runFilter(name: string, value: Value, args: Value[], kwargs: Kwargs): Value {
  const filter = FILTERS.get(name);
  if (filter === undefined) throw new TemplateError(`No filter named '${name}'.`);
  return filter(value, args, kwargs);
}
