import { sequenceFilters } from "./sequence-filters.js";
import { spendTexts } from "./text.js";
import { TEXT_FILTERS, type Filter } from "./text-filters.js";
import { TemplateError } from "./error.js";
import { type Kwargs, type Value } from "./values.js";

const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...TEXT_FILTERS,
  ...sequenceFilters((name, value, args, kwargs) => runFilter(name, value, args, kwargs)),
]);

/** Jinja's filters, `tojson` being transformers' own. */
export function runFilter(name: string, value: Value, args: Value[], kwargs: Kwargs): Value {
  const filter = FILTERS.get(name);
  if (filter === undefined) throw new TemplateError(`No filter named '${name}'.`);
  spendTexts(value, args, kwargs);
  return filter(value, args, kwargs);
}
