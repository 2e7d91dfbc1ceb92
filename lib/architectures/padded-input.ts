import { RewardModelScoreError } from "../errors.js";
import type { Attribute, ModuleSource } from "../native/binding.js";
import type { TokenFieldSizes } from "../tokenizer/token-fields.js";
import { gateIds, tokenId, type Encode, type PoolingRule } from "./pooling.js";
import { stageSource } from "./sources.js";

/** A rule as a TorchScript module, for archives that are run without this package. */
export function poolingProgram(rule: PoolingRule, encode: Encode): ModuleSource {
  if (rule.rule === "every-token") {
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      "A process reward model has one score for every step of a row; an exported archive returns one for every row.",
      { feature: "export of process reward models" },
    );
  }
  const token = rule.rule === "last-token" ? tokenId(rule.token, encode) : (rule.padTokenId ?? -1);
  const attributes: Record<string, Attribute> = {
    rule: { string: rule.rule },
    token: { int: token },
    gate: { ints: gateIds(rule, encode) },
  };
  return { source: stageSource("pooling", "Pooling"), attributes };
}

/**
 * Packs a padded batch, for the same archives.
 *
 * @param tokenFields what the model reads of a token beside its id
 */
export function packingProgram(tokenFields: TokenFieldSizes): ModuleSource {
  const names = Object.keys(tokenFields);
  if (names.length > 0) {
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `The model reads more of a row than its token ids (${names.join(", ")}), and an exported archive gets no more.`,
      { feature: "export of models that read more than token ids" },
    );
  }
  return { source: stageSource("packing", "Packing"), attributes: {} };
}
