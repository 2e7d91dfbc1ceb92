import { attentionAttributes, headNorms, interleavedQkv } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";

export const internlm2 = decoderFamily({
  classNames: ["InternLM2"],
  modelTypes: ["internlm2"],
  program: "llama",
  embedding: { name: "tok_embeddings" },
  layer(decoder, index) {
    const { tensors, hidden, intermediate, headDim, qHeads } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const bias = decoder.config.bias ?? false;
    const linear = (name: string, rows: number, columns: number, withBias: boolean) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, withBias);
    const norm = (name: string) => tensors.dense(`${layer}${name}.weight`, [hidden], "float32");
    return {
      attributes: attentionAttributes(decoder, 0),
      weights: {
        ...headNorms(decoder, layer, false),
        input_layernorm: norm("attention_norm"),
        post_attention_layernorm: norm("ffn_norm"),
        qkv_proj: interleavedQkv(decoder, `${layer}attention.wqkv`, bias),
        o_proj: linear("attention.wo", hidden, qHeads * headDim, bias),
        gate_up_proj: tensors.linear(
          ["w1", "w3"].map((name) => ({ module: `${layer}feed_forward.${name}`, rows: intermediate })),
          hidden,
          false,
        ),
        down_proj: linear("feed_forward.w2", hidden, intermediate, false),
      },
    };
  },
});
