import { gemma2 } from "./families/gemma.js";
import { gptNeoXReward } from "./families/gpt-neox.js";
import { internlm2 } from "./families/internlm2.js";
import { llama, mistral, qwen2 } from "./families/llama.js";
import type { Family } from "./family.js";
import { armoHead, normalizedHead, urmHead, valueHead, type HeadBuilder } from "./heads.js";
import type { PoolingRule } from "./pooling.js";

/** A trunk, a head, and which tokens the head reads. */
export interface Registration {
  family: Family;
  head: HeadBuilder;
  pooling: PoolingRule;
  attributeNames?: readonly string[];
  /** The id that rows have to end with; "reward_token_id" stands in the config. */
  finalToken?: number | "reward_token_id";
}

const ARMO_ATTRIBUTES = [
  "helpsteer-helpfulness",
  "helpsteer-correctness",
  "helpsteer-coherence",
  "helpsteer-complexity",
  "helpsteer-verbosity",
  "ultrafeedback-overall_score",
  "ultrafeedback-instruction_following",
  "ultrafeedback-truthfulness",
  "ultrafeedback-honesty",
  "ultrafeedback-helpfulness",
  "beavertails-is_safe",
  "prometheus-score",
  "argilla-overall_quality",
  "argilla-judge_lm",
  "code-complexity",
  "code-style",
  "code-explanation",
  "code-instruction-following",
  "code-readability",
];
/** QRM v2 and URM. */
const HELPSTEER_ATTRIBUTES = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"];

const LLAMA3_ASSISTANT = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
const GEMMA_ASSISTANT = "<end_of_turn>\n<start_of_turn>model\n";

const gated = (family: Family, gate: string): Registration => ({
  family,
  head: armoHead,
  pooling: { rule: "first-pad-minus-one", gate },
  attributeNames: ARMO_ATTRIBUTES,
});

const custom: Record<string, Registration> = {
  INFORMForSequenceClassification: {
    family: llama,
    head: valueHead(),
    pooling: { rule: "first-pad-minus-one" },
  },
  Qwen2ForRewardModel: { family: qwen2, head: valueHead(), pooling: { rule: "first-pad-minus-one" } },
  Qwen2ForProcessRewardModel: {
    family: qwen2,
    head: valueHead("second_probability"),
    pooling: { rule: "every-token", token: "<extra_0>" },
  },
  Qwen2ForPrmModel: {
    family: qwen2,
    head: valueHead("sigmoid"),
    pooling: { rule: "every-token", token: "\n" },
  },
  InternLM2ForRewardModel: {
    family: internlm2,
    head: valueHead(),
    pooling: { rule: "last" },
    finalToken: "reward_token_id",
  },
  LlamaForRewardModelWithGating: gated(llama, LLAMA3_ASSISTANT),
  LlamaForRewardModelWithGating3: gated(llama, LLAMA3_ASSISTANT),
  LlamaForRewardModelWithGating31: gated(llama, LLAMA3_ASSISTANT),
  Gemma2ForRewardModelWithGating: gated(gemma2, GEMMA_ASSISTANT),
  LlamaForSequenceClassificationWithNormal_Weights: {
    family: llama,
    head: urmHead,
    pooling: { rule: "hf" },
    attributeNames: HELPSTEER_ATTRIBUTES,
  },
  LlamaRewardModel: { family: llama, head: valueHead(), pooling: { rule: "last" } },
  EurusRewardModel: { family: mistral, head: valueHead(), pooling: { rule: "last" } },
  GPTNeoXRewardModel: { family: gptNeoXReward, head: valueHead(), pooling: { rule: "last" } },
  LlamaForScore: { family: llama, head: normalizedHead, pooling: { rule: "last" } },
  AtheneForSequenceClassification: {
    family: llama,
    head: valueHead(),
    pooling: { rule: "last-token", token: 128003 },
    finalToken: 128003,
  },
};
// Athene's config.json names the class so.
custom.CustomAutoModelForSequenceClassification = custom.AtheneForSequenceClassification!;

/** Classes that compute a score in a way of their own, by their names in config.architectures. */
export const customClasses: ReadonlyMap<string, Registration> = new Map(Object.entries(custom));

/**
 * What AutoModelForSequenceClassification makes of a checkpoint whose score it knows, whatever classes the config lists:
 * the classifier of config.model_type.
 */
export function classifier(family: Family): Registration {
  return { family, ...family.classifier };
}

/** A head that only its trainer knows, on a trunk that was saved as a classifier or as anything else. */
export function trainedHead(family: Family, isClassifier: boolean): Registration {
  const pooling: PoolingRule = isClassifier ? family.classifier.pooling : { rule: "last" };
  return { family, head: valueHead(), pooling };
}

export function attributeNames(registration: Registration, width: number): readonly string[] | undefined {
  return [registration.attributeNames, HELPSTEER_ATTRIBUTES].find((names) => names?.length === width);
}
