import { RewardModelScoreError } from "../errors.js";
import type { Attribute, ModuleSource } from "../native/binding.js";
import type { TokenField, TokenFieldSizes } from "../tokenizer/token-fields.js";
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

/** Packs a padded batch, for the same archives. */
export function packingProgram(): ModuleSource {
  return { source: stageSource("packing", "Packing"), attributes: {} };
}

/** What transformers calls the tensors of a model's forward. */
const INPUTS: Record<TokenField, string> = { token_types: "token_type_ids" };

/** What a model reads of a token beside its id → the argument of an archive's forward. */
export function fieldInputs(tokenFields: TokenFieldSizes): Record<string, string> {
  return Object.fromEntries(Object.keys(tokenFields).map((name) => [name, INPUTS[name as TokenField]]));
}
