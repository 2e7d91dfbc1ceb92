import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import type { Attribute, StageSpec, WeightSpec } from "../native/binding.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import { configError, unsupported } from "./config/errors.js";
import { count, parseKeys, parseNumbers, positive, type Config } from "./config/keys.js";
import { stageSource } from "./sources.js";
import type { Stage } from "./stage.js";

/** A head bound to a checkpoint: the last stage of the program. */
export interface Head {
  stage: Stage;
  labels: number;
  /** Width of the outputs "rewards" and "gating", if the head has them. */
  attributes?: number;
}

export type HeadBuilder = (tensors: CheckpointTensors, hidden: number, config: Config) => Head;

/** The head of transformers' own classifiers: one linear without a bias. */
export const SCORE = "score";

/** Modules that hold a value head, in the order in which a checkpoint is searched for them. */
const VALUE_HEADS = [
  SCORE,
  "v_head.summary",
  "v_head",
  "regression_head",
  "score_head",
  "out_proj",
  "value_head",
  "classifier",
];

/**
 * Name of the checkpoint's value head, if it has one.
 *
 * @param own what the config calls it: OpenRLHF's value_head_prefix
 */
export function findValueHead(tensors: CheckpointTensors, own: unknown): string | undefined {
  const names = typeof own === "string" ? [...VALUE_HEADS, own] : VALUE_HEADS;
  return names.find((name) => tensors.has(`${name}.weight`) || tensors.has(`${name}.0.weight`));
}

/** A head under a prefix that is not known is there all the same, and is named. Those of layers are no heads. */
export function hintOfPrefix(tensors: CheckpointTensors): string | undefined {
  const isHead = (name: string) =>
    VALUE_HEADS.some((head) => name.endsWith(`.${head}.weight`)) && !/\.\d+\./.test(name);
  const found = tensors.names().find(isHead);
  return (
    found &&
    `It has "${found}": save the model under the names that its own class gives its tensors, without a prefix.`
  );
}

/** What AutoModelForSequenceClassification reads: its class has no bias, whatever the checkpoint has. */
export const scoreHead: HeadBuilder = (tensors, hidden) => {
  const rows = tensors.find(`${SCORE}.weight`).shape[0] ?? 0;
  const layer = fixedLinear(tensors, SCORE, rows, hidden, false);
  return {
    stage: headStage(SCORE, "Score", { output: { string: "logits" } }, { layers: [layer] }),
    labels: rows,
  };
};

/** Modules of a classifier with a linear before the last one. */
export interface ClassifierModules {
  dense: string;
  /** Whether it has one; default true. */
  denseBias?: boolean;
  activation: string;
  /** A LayerNorm after it. */
  norm?: { module: string; eps: number; bias: boolean };
  out: string;
}

/**
 * What transformers' encoders read: a linear with an activation, and a linear with a bias. A module may stand below the
 * trunk's own, as BERT's pooler does.
 */
export function classificationHead({
  dense,
  denseBias = true,
  activation,
  norm,
  out,
}: ClassifierModules): HeadBuilder {
  return (tensors, hidden) => {
    const rows = tensors.find(`${out}.weight`).shape[0] ?? 0;
    const module = `${tensors.prefixOf(`${dense}.weight`)}${dense}`;
    const weights = {
      dense: fixedLinear(tensors, module, hidden, hidden, denseBias),
      out: fixedLinear(tensors, out, rows, hidden, true),
      norm: norm ? tensors.dense(`${norm.module}.weight`, [hidden], "float32") : null,
      norm_bias: norm?.bias ? tensors.dense(`${norm.module}.bias`, [hidden], "float32") : null,
    };
    const attributes = { activation: { string: activation }, eps: { float: norm?.eps ?? 0 } };
    return { stage: headStage(out, "Classifier", attributes, weights), labels: rows };
  };
}

/** One linear, or several with ReLU between: the number of labels is what the last one returns. */
export function valueHead(output: "logits" | "sigmoid" | "second_probability" = "logits"): HeadBuilder {
  return (tensors, hidden, config) => {
    const name = findValueHead(tensors, config.value_head_prefix);
    if (name === undefined) throw missingHead(tensors, VALUE_HEADS);
    const { layers, width } = linears(tensors, name, hidden);
    if (output === "second_probability" && width !== 2) {
      throw configError(`a process reward model has 2 labels; "${name}" returns ${width}.`);
    }
    const labels = output === "second_probability" ? 1 : width;
    return { stage: headStage(name, "Score", { output: { string: output } }, { layers }), labels };
  };
}

const normalizerKeys = v.object({
  do_normalize: v.nullish(v.boolean()),
  normalizer_type: v.nullish(v.string()),
});

/** PKU-Alignment's scores: the raw one, or normalised as config.do_normalize says. */
export const normalizedHead: HeadBuilder = (tensors, hidden, config) => {
  const plain = valueHead()(tensors, hidden, config);
  const { do_normalize, normalizer_type } = parseKeys(normalizerKeys, config);
  const type = normalizer_type ?? "affine";
  if (!do_normalize || type === "identity") return plain;
  if (type !== "affine" && type !== "scale") throw unsupported("normalizer_type", `normalizer "${type}".`);
  const { labels } = plain;
  const statistic = (name: "mean" | "var") => {
    const fixed = parseNumbers(config[name], name, name === "var" ? 0 : undefined);
    if (!fixed) return { weight: tensors.dense(`normalizer.${name}`, [labels], "float32"), fixed: [] };
    if (fixed.length !== labels) throw configError(`"${name}" needs ${labels} numbers.`);
    return { weight: null, fixed };
  };
  const mean = statistic("mean");
  const variance = statistic("var");
  const [layer] = plain.stage.weights.layers as WeightSpec[];
  const attributes: Record<string, Attribute> = {
    affine: { bool: type === "affine" },
    fixed_mean: { floats: mean.fixed },
    fixed_var: { floats: variance.fixed },
  };
  const weights = { score_head: layer!, mean: mean.weight, var: variance.weight };
  return { stage: headStage(plain.stage.name, "NormalizedScore", attributes, weights), labels };
};

const gatingKeys = v.object({
  num_quantiles: v.nullish(count(4096)),
  gating_temperature: v.nullish(positive),
});

/**
 * ArmoRM: rewards weighted by a gating network with a softmax. QRM: the same over the mean of quantiles, with a
 * BatchNorm after each ReLU.
 */
export const armoHead: HeadBuilder = (tensors, hidden, config) => {
  const regression = tensors.find("regression_layer.weight").shape[0] ?? 0;
  const { num_quantiles, gating_temperature } = parseKeys(gatingKeys, config);
  const quantiles = num_quantiles ?? 1;
  const objectives = regression / quantiles;
  if (!Number.isInteger(objectives)) {
    throw configError(
      `num_quantiles ${quantiles} does not divide ${regression} rows of regression_layer.weight.`,
    );
  }
  const gating = linears(tensors, "gating.layers", hidden);
  if (gating.width !== objectives) {
    throw configError(`the gating network returns ${gating.width} numbers for ${objectives} objectives.`);
  }
  const transform: WeightSpec = {
    kind: "linear",
    dtype: "float32",
    parts: [{ ...tensors.part("reward_transform_matrix", [objectives, objectives]), transpose: true }],
    shape: [objectives, objectives],
  };
  return gatedHead(objectives, {
    quantiles,
    temperature: gating_temperature ?? 10,
    regression: fixedLinear(tensors, "regression_layer", regression, hidden),
    transform,
    gatingLayers: gating.layers,
    gatingNorms: gating.norms,
    logitScale: tensors.dense("gating.logit_scale", [1], "float32"),
  });
};

const URM_WEIGHTS = [0.3, 0.74, 0.46, 0.47, -0.33];

/** URM: means of normal distributions, weighted by a network without softmax or, in the first model, by constants. */
export const urmHead: HeadBuilder = (tensors, hidden) => {
  const rows = tensors.find("score.weight").shape[0] ?? 0;
  if (rows % 2 !== 0) throw configError(`score.weight has ${rows} rows; means and deviations come in pairs.`);
  const objectives = rows / 2;
  const learned = tensors.has("weights.fc.0.weight");
  const gating = learned
    ? linears(tensors, "weights.fc", hidden)
    : { layers: null, width: URM_WEIGHTS.length };
  if (gating.width !== objectives) {
    throw configError(`the weights of the score are ${gating.width} numbers for ${objectives} objectives.`);
  }
  const means: WeightSpec = {
    kind: "linear",
    dtype: "float32",
    parts: [
      {
        ...tensors.part("score.weight", [rows, hidden]),
        reshape: [objectives, 2, hidden],
        slice: { dim: 1, start: 0, end: 1 },
        flatten: [objectives, hidden],
      },
    ],
    shape: [objectives, hidden],
  };
  return gatedHead(objectives, {
    regression: means,
    gatingLayers: gating.layers,
    fixedGating: learned ? [] : URM_WEIGHTS,
    activation: "selu",
  });
};

interface GatedParts {
  regression: WeightSpec;
  gatingLayers: WeightSpec[] | null;
  gatingNorms?: WeightSpec[] | null;
  transform?: WeightSpec;
  logitScale?: WeightSpec;
  quantiles?: number;
  temperature?: number;
  activation?: string;
  fixedGating?: readonly number[];
}

function gatedHead(objectives: number, parts: GatedParts): Head {
  const quantiles = parts.quantiles ?? 1;
  const attributes: Record<string, Attribute> = {
    quantiles: { int: quantiles },
    temperature: { float: parts.temperature ?? 1 },
    activation: { string: parts.activation ?? "relu" },
    adjusted_rewards: { bool: quantiles > 1 },
    fixed_gating: { floats: [...(parts.fixedGating ?? [])] },
  };
  const weights: StageSpec["weights"] = {
    regression: parts.regression,
    transform: parts.transform ?? null,
    gating_layers: parts.gatingLayers,
    gating_norms: parts.gatingNorms ?? null,
    logit_scale: parts.logitScale ?? null,
  };
  return { stage: headStage("score", "GatedScore", attributes, weights), labels: 1, attributes: objectives };
}

/**
 * The linears of a module: itself, or its numbered children (numbers without a matrix are activations). BatchNorms
 * among the children come as flat groups of weight, bias, mean and variance.
 */
function linears(tensors: CheckpointTensors, module: string, hidden: number) {
  const single = tensors.has(`${module}.weight`);
  const children = tensors
    .names()
    .map((name) =>
      name.startsWith(`${module}.`) ? /^(\d+)\.weight$/.exec(name.slice(module.length + 1)) : null,
    )
    .flatMap((match) => (match ? [Number(match[1])] : []))
    .sort((a, b) => a - b)
    .map((index) => `${module}.${index}`);
  const layers: WeightSpec[] = [];
  const norms: WeightSpec[] = [];
  let width = hidden;
  for (const name of single ? [module] : children) {
    if (tensors.has(`${name}.running_mean`)) {
      const statistics = ["weight", "bias", "running_mean", "running_var"];
      norms.push(...statistics.map((statistic) => tensors.dense(`${name}.${statistic}`, [width], "float32")));
      continue;
    }
    const rows = tensors.find(`${name}.weight`).shape[0] ?? 0;
    layers.push(fixedLinear(tensors, name, rows, width));
    width = rows;
  }
  if (layers.length === 0) throw missingHead(tensors, [module]);
  if (norms.length > 0 && norms.length !== 4 * (layers.length - 1)) {
    throw configError(`"${module}" has ${norms.length / 4} BatchNorms between ${layers.length} linears.`);
  }
  return { layers, norms: norms.length > 0 ? norms : null, width };
}

/** A linear of a head: float32 whatever the trunk's dtype. */
function fixedLinear(
  tensors: CheckpointTensors,
  module: string,
  rows: number,
  columns: number,
  bias = tensors.has(`${module}.bias`),
): WeightSpec {
  return { ...tensors.linear([{ module, rows }], columns, bias), dtype: "float32" };
}

function headStage(
  name: string,
  className: string,
  attributes: Record<string, Attribute>,
  weights: StageSpec["weights"],
): Stage {
  return { name, block: false, source: stageSource("heads", className), attributes, weights };
}

function missingHead(
  tensors: CheckpointTensors,
  heads: readonly string[],
): RewardModelScoreError<"ERR_WEIGHTS"> {
  const names = heads.map((head) => `${head}.weight`);
  const hint = hintOfPrefix(tensors) ?? "Is it a language model, or is a shard missing?";
  return new RewardModelScoreError(
    "ERR_WEIGHTS",
    `The checkpoint has no head: none of the tensors ${names.join(", ")}. ${hint}`,
    { tensor: names[0]! },
  );
}
