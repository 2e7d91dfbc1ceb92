import { unsupported } from "../config/errors.js";
import { falconAsDecoder, parseFalcon } from "../config/gpt.js";
import { interleavedQkv } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";

export const falcon = decoderFamily({
  classNames: ["Falcon"],
  modelTypes: ["falcon"],
  program: "gpt",
  asDecoder: falconAsDecoder,
  epsKey: "layer_norm_epsilon",
  eps: 1e-5,
  activation: "gelu",
  prefix: "transformer.",
  embedding: { name: "word_embeddings" },
  layers: "h",
  layer(decoder, index) {
    const { config, json, tensors, prefix, hidden, intermediate } = decoder;
    const falconConfig = parseFalcon(json);
    if (falconConfig.alibi) throw unsupported("alibi", "ALiBi has no built-in program.");
    const isNew = falconConfig.new_decoder_architecture ?? false;
    const parallel = falconConfig.parallel_attn ?? true;
    const layer = `${prefix}h.${index}.`;
    const bias = config.bias ?? false;
    const linear = (name: string, rows: number, columns: number) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, bias);
    const norms =
      isNew && (falconConfig.num_ln_in_parallel_attn ?? 2) === 2
        ? ["ln_attn", "ln_mlp"]
        : ["input_layernorm", parallel ? null : "post_attention_layernorm"];
    return gptLayer(decoder, {
      attentionNorm: `${layer}${norms[0]}`,
      mlpNorm: norms[1] ? `${layer}${norms[1]}` : null,
      qkv: interleavedQkv(decoder, `${layer}self_attention.query_key_value`, bias),
      out: linear("self_attention.dense", hidden, hidden),
      up: linear("mlp.dense_h_to_4h", intermediate, hidden),
      down: linear("mlp.dense_4h_to_h", hidden, intermediate),
      parallel,
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "ln_f")],
});
