import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import { parsePythonJson } from "../io/python-json.js";

/** What merging a LoRA adapter needs of its adapter_config.json. */
export interface LoraConfig {
  rank: number;
  alpha: number;
  /** Other ranks and alphas of modules: PEFT's patterns, the first that fits counts. */
  ranks: Record<string, number>;
  alphas: Record<string, number>;
  /** rsLoRA divides by the root of the rank. */
  rankStabilized: boolean;
  /** DoRA: every module has a magnitude. */
  dora: boolean;
  /** Linears are stored [in, out], as those of GPT-2. */
  fanInFanOut: boolean;
}

export interface AdapterConfig {
  lora: LoraConfig;
  /** A folder or repository. */
  base: string | undefined;
  baseRevision: string | undefined;
}

export const ADAPTER_CONFIG = "adapter_config.json";

const rank = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 16));
const alpha = v.pipe(v.number(), v.finite());
const flag = v.nullish(v.boolean());
const text = v.nullish(v.pipe(v.string(), v.maxLength(4096)));
const schema = v.object({
  r: rank,
  lora_alpha: alpha,
  rank_pattern: v.nullish(v.record(v.string(), rank)),
  alpha_pattern: v.nullish(v.record(v.string(), alpha)),
  use_rslora: flag,
  use_dora: flag,
  fan_in_fan_out: flag,
  base_model_name_or_path: text,
  revision: text,
});

/** PEFT's keys, and `config.architecture` and `model_name` of the adapters library. */
const word = v.fallback(v.nullish(v.pipe(v.string(), v.maxLength(200))), undefined);
const kindKeys = v.object({
  peft_type: word,
  config: v.fallback(v.nullish(v.object({ architecture: word })), undefined),
  base_model_name_or_path: word,
  model_name: word,
});

/** Kinds that put tokens before a row, or states into its layers, instead of changing weights. */
const NOT_MERGEABLE = /prompt|prefix|P_TUNING|CPT|CARTRIDGE|XLORA|POLY/i;

/** What PEFT calls LoRA, and computes in another way than by adding one product to each weight. */
const VARIANTS: Record<string, string> = {
  target_parameters: "LoRA on parameters (target_parameters)",
  layer_replication: "replicated layers (layer_replication)",
  trainable_token_indices: "tokens that were trained alone (trainable_token_indices)",
  use_qalora: "QALoRA",
  use_bdlora: "block-diagonal LoRA (use_bdlora)",
  alora_invocation_tokens: "activated LoRA (alora_invocation_tokens)",
  arrow_config: "Arrow",
  kasa_config: "KaSA",
  velora_config: "VeLoRA",
  monteclora_config: "MonteCLoRA",
};

/** Initialisations that change the base, whose weights are then not those that the base's own files hold. */
const CHANGES_BASE = /^(pissa|olora|corda|loftq|lora_ga|mica)/i;

/**
 * Reads adapter_config.json.
 *
 * @param model whose it is, for messages
 * @throws ERR_NOT_SUPPORTED for another kind than LoRA, by its name; ERR_MODEL_CONFIG
 */
export function parseAdapterConfig(json: string, model: string): AdapterConfig {
  const config = parseObject(json, model);
  const { peft_type, config: other, base_model_name_or_path: name, model_name } = v.parse(kindKeys, config);
  const base = name ?? model_name;
  const whose = base == null ? "" : ` for ${JSON.stringify(base)}`;
  const kind = peft_type ?? other?.architecture;
  if (peft_type !== "LORA") {
    const what = kind == null ? "an adapter of an unknown type" : `an adapter of type ${kind}`;
    throw refused(model, what + whose, kind != null && NOT_MERGEABLE.test(kind));
  }
  for (const [key, variant] of Object.entries(VARIANTS)) {
    const value = config[key];
    if (value && !isEmpty(value)) throw refused(model, `an adapter with ${variant}${whose}`, false);
  }
  const { init_lora_weights: init } = config;
  if (typeof init === "string" && CHANGES_BASE.test(init)) {
    const what = `an adapter that changed its base when it was begun (init_lora_weights: "${init}")`;
    throw refused(model, what + whose, false);
  }
  const result = v.safeParse(schema, config);
  if (!result.success) {
    const [issue] = result.issues;
    throw malformed(model, `"${v.getDotPath(issue) ?? ""}": ${issue.message}`);
  }
  const { r, lora_alpha, rank_pattern, alpha_pattern, ...further } = result.output;
  return {
    lora: {
      rank: r,
      alpha: lora_alpha,
      ranks: rank_pattern ?? {},
      alphas: alpha_pattern ?? {},
      rankStabilized: further.use_rslora ?? false,
      dora: further.use_dora ?? false,
      fanInFanOut: further.fan_in_fan_out ?? false,
    },
    base: further.base_model_name_or_path || undefined,
    baseRevision: further.revision || undefined,
  };
}

function parseObject(json: string, model: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parsePythonJson(json);
  } catch (cause) {
    throw malformed(model, `it is not JSON: ${(cause as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed(model, "it is no JSON object");
  return value as Record<string, unknown>;
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** Without its adapter a base gives other scores, so it is never scored alone. */
function refused(model: string, what: string, unmergeable: boolean): RewardModelScoreError {
  const remedy = unmergeable
    ? "It cannot be merged into the weights of its base: score it in Python."
    : "Merge it in Python (merge_and_unload() of the PEFT model, then save_pretrained()), save the tokenizer there too " +
      "and name that folder.";
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${model} holds ${what} in ${ADAPTER_CONFIG}. Only plain LoRA is applied here, and the base alone would give other ` +
      `scores. ${remedy} If it is merged already, remove the adapter's files.`,
    { feature: "adapters" },
  );
}

function malformed(model: string, what: string): RewardModelScoreError {
  return new RewardModelScoreError("ERR_MODEL_CONFIG", `${ADAPTER_CONFIG} of ${model}: ${what}.`, {
    path: ADAPTER_CONFIG,
  });
}
