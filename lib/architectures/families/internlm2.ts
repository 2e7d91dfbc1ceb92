import type { WeightSpec } from "../../native/binding.js";
import { attentionAttributes, headNorms, decoderFamily } from "../decoder.js";

export const internlm2 = decoderFamily({
  classNames: ["InternLM2"],
  modelTypes: ["internlm2"],
  program: "llama",
  embedding: { name: "tok_embeddings" },
  layer(decoder, index) {
    const { tensors, hidden, intermediate, headDim, qHeads, kvHeads } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const bias = decoder.config.bias ?? false;
    // wqkv interleaves by group of query heads: [kv heads, query heads of the group | k | v, channels, hidden].
    const group = qHeads / kvHeads;
    const interleaved = (suffix: string, columns: number[]) => {
      const part = tensors.part(`${layer}attention.wqkv.${suffix}`, [
        (qHeads + 2 * kvHeads) * headDim,
        ...columns,
      ]);
      const pick = (start: number, end: number) => ({
        ...part,
        reshape: [kvHeads, group + 2, headDim, ...columns],
        slice: { dim: 1, start, end },
        flatten: [kvHeads * (end - start) * headDim, ...columns],
      });
      return [pick(0, group), pick(group, group + 1), pick(group + 1, group + 2)];
    };
    const qkv: WeightSpec = {
      kind: "linear",
      dtype: "model",
      parts: interleaved("weight", [hidden]),
      shape: [(qHeads + 2 * kvHeads) * headDim, hidden],
    };
    if (bias) qkv.bias = interleaved("bias", []);
    const linear = (name: string, rows: number, columns: number, withBias: boolean) =>
      tensors.linear([{ module: `${layer}${name}`, rows }], columns, withBias);
    const norm = (name: string) => tensors.dense(`${layer}${name}.weight`, [hidden], "float32");
    return {
      attributes: attentionAttributes(decoder, 0),
      weights: {
        ...headNorms(decoder, layer, false),
        input_layernorm: norm("attention_norm"),
        post_attention_layernorm: norm("ffn_norm"),
        qkv_proj: qkv,
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
