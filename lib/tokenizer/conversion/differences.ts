import type { ChosenClass } from "./choose-class.js";
import { CLASSES } from "./classes.js";
import type { ClassOptions } from "./settings.js";

/**
 * Warnings of what transformers 5 makes otherwise than transformers 4 of the same files.
 *
 * @param path the vocabulary's
 * @param normalizer of tokenizer.json, where there is one
 */
export function differences(
  path: string,
  { name, isNamed, modelType }: ChosenClass,
  options: ClassOptions,
  normalizer?: unknown,
): string[] {
  const difference = CLASSES.get(name ?? "")?.differs?.({ options, modelType, isNamed, normalizer });
  if (difference === undefined) return [];
  return [
    `transformers 5 makes other ids of ${path} than transformers 4, whose ids count here: ${difference}.`,
  ];
}
