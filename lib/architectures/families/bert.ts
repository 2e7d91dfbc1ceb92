import { distilbertAsBert } from "../config/encoder.js";
import { configError } from "../config/errors.js";
import { encoderFamily, layerAttributes, layerStages, layerWeights, type LayerNames } from "../encoder.js";
import type { Classifier } from "../family.js";
import { classificationHead } from "../heads.js";
import { stageSource } from "../sources.js";
import type { Stage } from "../stage.js";
import type { WeightSpec } from "../../native/binding.js";

export const LAYERS = "encoder.layer";
export const BERT_LAYER: LayerNames = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  out: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  norm: "output.LayerNorm",
};

/** A head that reads the first token. */
export function classifier(out: string, dense: string, activation: string): Classifier {
  return {
    module: out,
    head: classificationHead({ dense, out, activation }),
    pooling: { rule: "first" },
    inputFormat: "pair",
  };
}

export const bert = encoderFamily({
  classNames: ["Bert"],
  modelTypes: ["bert"],
  prefix: "bert.",
  mayBeCausal: true,
  padTokenId: 0,
  typeCount: 2,
  classifier: classifier("classifier", "pooler.dense", "tanh"),
  stages: (encoder) => layerStages(encoder, LAYERS, BERT_LAYER),
});

export const roberta = encoderFamily({
  classNames: ["Roberta", "XLMRoberta", "Camembert"],
  modelTypes: ["roberta", "xlm-roberta", "camembert"],
  prefix: "roberta.",
  mayBeCausal: true,
  padTokenId: 1,
  typeCount: 2,
  countsFromPad: true,
  classifier: classifier("classifier.out_proj", "classifier.dense", "tanh"),
  stages: (encoder) => layerStages(encoder, LAYERS, BERT_LAYER),
});

export const electra = encoderFamily({
  classNames: ["Electra"],
  modelTypes: ["electra"],
  prefix: "electra.",
  mayBeCausal: true,
  padTokenId: 0,
  typeCount: 2,
  classifier: classifier("classifier.out_proj", "classifier.dense", "gelu"),
  embeddingSize: 128,
  projection: (width, hidden) =>
    width === hidden ? undefined : { module: "embeddings_project", bias: true, first: false },
  stages: (encoder) => layerStages(encoder, LAYERS, BERT_LAYER),
});

export const distilbert = encoderFamily({
  classNames: ["DistilBert"],
  modelTypes: ["distilbert"],
  prefix: "distilbert.",
  padTokenId: 0,
  asBert: distilbertAsBert,
  classifier: classifier("classifier", "pre_classifier", "relu"),
  stages: (encoder) =>
    layerStages(encoder, "transformer.layer", {
      query: "attention.q_lin",
      key: "attention.k_lin",
      value: "attention.v_lin",
      out: "attention.out_lin",
      attentionNorm: "sa_layer_norm",
      up: "ffn.lin1",
      down: "ffn.lin2",
      norm: "output_layer_norm",
    }),
});

const ALBERT_NAMES: LayerNames = {
  query: "attention.query",
  key: "attention.key",
  value: "attention.value",
  out: "attention.dense",
  attentionNorm: "attention.LayerNorm",
  up: "ffn",
  down: "ffn_output",
  norm: "full_layer_layer_norm",
};

export const albert = encoderFamily({
  classNames: ["Albert"],
  modelTypes: ["albert"],
  prefix: "albert.",
  padTokenId: 0,
  typeCount: 2,
  activation: "gelu_new",
  classifier: classifier("classifier", "pooler", "tanh"),
  embeddingSize: 128,
  projection: () => ({ module: "encoder.embedding_hidden_mapping_in", bias: true, first: false }),
  stages(encoder) {
    const { config, prefix, layers } = encoder;
    const groups = config.num_hidden_groups ?? 1;
    const inner = config.inner_group_num ?? 1;
    if (groups > layers)
      throw configError(`num_hidden_groups ${groups} is more than num_hidden_layers ${layers}.`);
    // The group of a layer as transformers computes it.
    const groupOf = Array.from({ length: layers }, (_, i) => Math.trunc(i / (layers / groups)));
    return Array.from({ length: groups }, (_, group): Stage => {
      const name = `${prefix}encoder.albert_layer_groups.${group}`;
      const weights = Array.from({ length: inner }, (_, i) =>
        layerWeights(encoder, `${name}.albert_layers.${i}`, ALBERT_NAMES),
      );
      const byName = (key: string): WeightSpec[] => weights.map((layer) => layer[key]!);
      const keys = Object.keys(weights[0]!);
      const repeats = groupOf.filter((of) => of === group).length;
      return {
        name,
        block: true,
        source: stageSource("encoder", "SharedLayers"),
        attributes: {
          ...layerAttributes(encoder),
          repeats: { int: repeats },
          last: { bool: group === groups - 1 },
        },
        weights: Object.fromEntries(keys.map((key) => [key, byName(key)])),
        uses: Object.fromEntries(keys.map((key) => [key, repeats])),
      };
    });
  },
});
