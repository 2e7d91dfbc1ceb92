import { families, type FamilyName } from "./families/index.js";
import { armoHead, normalizedHead, urmHead, valueHead, type HeadBuilder } from "./heads.js";
import type { PoolingRule } from "./pooling.js";

/** One entry of config.architectures: a trunk, a head, and which tokens the head reads. */
export interface Registration {
  family: FamilyName;
  head: HeadBuilder;
  pooling: PoolingRule;
  attributeNames?: readonly string[];
  /** A language model counts as a reward model only with a value head beside it. */
  needsValueHead?: boolean;
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

const gated = (family: FamilyName, gate: string): Registration => ({
  family,
  head: armoHead,
  pooling: { rule: "first-pad-minus-one", gate },
  attributeNames: ARMO_ATTRIBUTES,
});

const custom: Record<string, Registration> = {
  INFORMForSequenceClassification: {
    family: "llama",
    head: valueHead(),
    pooling: { rule: "first-pad-minus-one" },
  },
  Qwen2ForRewardModel: { family: "qwen2", head: valueHead(), pooling: { rule: "first-pad-minus-one" } },
  Qwen2ForProcessRewardModel: {
    family: "qwen2",
    head: valueHead("second_probability"),
    pooling: { rule: "every-token", token: "<extra_0>" },
  },
  Qwen2ForPrmModel: {
    family: "qwen2",
    head: valueHead("sigmoid"),
    pooling: { rule: "every-token", token: "\n" },
  },
  InternLM2ForRewardModel: {
    family: "internlm2",
    head: valueHead(),
    pooling: { rule: "last" },
    finalToken: "reward_token_id",
  },
  LlamaForRewardModelWithGating: gated("llama", LLAMA3_ASSISTANT),
  LlamaForRewardModelWithGating3: gated("llama", LLAMA3_ASSISTANT),
  LlamaForRewardModelWithGating31: gated("llama", LLAMA3_ASSISTANT),
  Gemma2ForRewardModelWithGating: gated("gemma2", GEMMA_ASSISTANT),
  LlamaForSequenceClassificationWithNormal_Weights: {
    family: "llama",
    head: urmHead,
    pooling: { rule: "hf" },
    attributeNames: HELPSTEER_ATTRIBUTES,
  },
  LlamaRewardModel: { family: "llama", head: valueHead(), pooling: { rule: "last" } },
  EurusRewardModel: { family: "mistral", head: valueHead(), pooling: { rule: "last" } },
  LlamaForScore: { family: "llama", head: normalizedHead, pooling: { rule: "last" } },
  AtheneForSequenceClassification: {
    family: "llama",
    head: valueHead(),
    pooling: { rule: "last-token", token: 128003 },
    finalToken: 128003,
  },
};
// Athene's config.json names the class so.
custom.CustomAutoModelForSequenceClassification = custom.AtheneForSequenceClassification!;

const standard = (Object.keys(families) as FamilyName[]).flatMap((family): [string, Registration][] => {
  const { classNames } = families[family];
  return classNames.flatMap((className): [string, Registration][] => [
    [`${className}ForSequenceClassification`, { family, head: valueHead(), pooling: { rule: "hf" } }],
    [
      `${className}ForCausalLM`,
      { family, head: valueHead(), pooling: { rule: "last" }, needsValueHead: true },
    ],
  ]);
});

export const registry: ReadonlyMap<string, Registration> = new Map([...standard, ...Object.entries(custom)]);

export function attributeNames(registration: Registration, width: number): readonly string[] | undefined {
  return [registration.attributeNames, HELPSTEER_ATTRIBUTES].find((names) => names?.length === width);
}
