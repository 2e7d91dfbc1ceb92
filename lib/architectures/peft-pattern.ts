import { RewardModelScoreError } from "../errors.js";

/** Quantifiers of a pattern: each multiplies the time that a match takes by the length of a name. */
const MOST_QUANTIFIERS = 2;
const LONGEST = 512;

/**
 * What a pattern of PEFT (`rank_pattern`, `alpha_pattern`) has for a module: keys are regular expressions for the end of
 * its name, and the first that fits counts.
 *
 * @throws ERR_NOT_SUPPORTED for an expression that could take for ever, or that JavaScript does not know
 */
export function patternValue(pattern: Readonly<Record<string, number>>, module: string): number | undefined {
  for (const [key, value] of Object.entries(pattern)) {
    if (expressionOf(key).test(module)) return value;
  }
  return undefined;
}

function expressionOf(key: string): RegExp {
  const quantifiers = key.replaceAll(/\\./g, "").match(/[*+?{]/g)?.length ?? 0;
  if (key.length > LONGEST || quantifiers > MOST_QUANTIFIERS || /\)[*+?{]/.test(key)) throw refused(key);
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`);
  } catch {
    throw refused(key);
  }
}

function refused(key: string): RewardModelScoreError<"ERR_NOT_SUPPORTED"> {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `adapter_config.json: ${JSON.stringify(key.slice(0, 100))} in rank_pattern or alpha_pattern is no expression that is ` +
      "matched here. Merge the adapter in Python (merge_and_unload() of the PEFT model).",
    { feature: "adapters" },
  );
}
