import { encoderFamily, layerStages } from "../encoder.js";
import { mpnetColumns } from "../relative-positions.js";
import { stageSource } from "../sources.js";
import { BERT_LAYER, classifier, LAYERS } from "./bert.js";

/** Of the pad id that its positions are counted from, whatever the config says. */
const PAD = 1;
const BUCKETS = 32;

export const mpnet = encoderFamily({
  classNames: ["MPNet"],
  modelTypes: ["mpnet"],
  prefix: "mpnet.",
  padTokenId: PAD,
  asBert: ({ type_vocab_size: _types, ...config }) => ({ ...config, pad_token_id: PAD }),
  countsFromPad: true,
  classifier: classifier("classifier.out_proj", "classifier.dense", "tanh"),
  stages(encoder) {
    const { tensors, prefix, heads } = encoder;
    const name = `${prefix}encoder.relative_attention_bias`;
    return [
      {
        name,
        block: false,
        registeredLast: true,
        source: stageSource("relative", "RelativeBias"),
        attributes: { columns: { ints: mpnetColumns() } },
        weights: { weight: tensors.dense(`${name}.weight`, [BUCKETS, heads], "model") },
      },
      ...layerStages(
        encoder,
        LAYERS,
        {
          ...BERT_LAYER,
          query: "attention.attn.q",
          key: "attention.attn.k",
          value: "attention.attn.v",
          out: "attention.attn.o",
          attentionNorm: "attention.LayerNorm",
        },
        {
          program: "relative",
          layer: () => ({
            attributes: {
              biased: { bool: true },
              shares_projections: { bool: false },
              content_to_position: { bool: false },
              position_to_content: { bool: false },
            },
            weights: { pos_key: null, pos_query: null },
          }),
        },
      ),
    ];
  },
});
