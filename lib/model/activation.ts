import { RewardModelScoreError } from "../errors.js";
import type { ResolvedOptions } from "../options.js";
import type { Activation } from "../scoring/activation.js";
import type { ModelSource } from "./sources/source.js";

/** Names of PyTorch's modules → what they compute; undefined for what leaves logits as they are. */
const MODULES: Record<string, Activation | undefined> = {
  Sigmoid: "sigmoid",
  Softmax: "softmax",
  Identity: undefined,
};

/**
 * What is applied to the logits: undefined where they stay raw.
 *
 * @throws ERR_INVALID_OPTION where the model states none, or has one label for a softmax; ERR_NOT_SUPPORTED for one that
 *   is not known
 */
export function activationOf(
  options: Pick<ResolvedOptions, "activation" | "model">,
  source: Pick<ModelSource, "statedActivation" | "labels">,
): Activation | undefined {
  const activation = askedFor(options, source);
  if (activation === "softmax" && source.labels === 1) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `A softmax makes 1 of every score: ${options.model} has one label. Set activation to "sigmoid", or leave it out.`,
      { option: "activation" },
    );
  }
  return activation;
}

function askedFor(
  { activation, model }: Pick<ResolvedOptions, "activation" | "model">,
  { statedActivation: stated }: Pick<ModelSource, "statedActivation">,
): Activation | undefined {
  if (activation === "none") return undefined;
  if (activation !== "model") return activation;
  if (stated === undefined) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `activation: "model" (--activation model) cannot be honoured: config.json of ${model} states none, as ` +
        'sentence-transformers writes it there. Name "sigmoid" or "softmax", or leave the option out for raw scores.',
      { option: "activation" },
    );
  }
  const name = stated.slice(stated.lastIndexOf(".") + 1);
  if (Object.hasOwn(MODULES, name)) return MODULES[name];
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `config.json of ${model} states the activation ${JSON.stringify(stated)}, which is not computed here. Leave ` +
      "activation out for raw scores.",
    { feature: "another activation than sigmoid and softmax" },
  );
}
