import { RewardModelScoreError } from "../../errors.js";

/** A config that is malformed, hostile, or contradicts its weights. */
export function configError(message: string): RewardModelScoreError<"ERR_MODEL_CONFIG"> {
  return new RewardModelScoreError("ERR_MODEL_CONFIG", `config.json: ${message}`, {});
}

export function unsupported(feature: string, message: string): RewardModelScoreError<"ERR_NOT_SUPPORTED"> {
  return new RewardModelScoreError("ERR_NOT_SUPPORTED", `config.json: ${message}`, { feature });
}
