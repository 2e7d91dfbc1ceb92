import type { WeightSpec } from "../../native/binding.js";
import { parsePhi } from "../config/gpt.js";
import { attentionWeights, mlpWeights } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import type { Decoder } from "../decoder.js";
import { gptLayer } from "../gpt-layer.js";
import { finalLayerNorm } from "../layer-norm.js";

/** Every head has a weight of its own. */
function headNorm({ tensors, headDim }: Decoder, module: string, heads: number): WeightSpec {
  const parts = Array.from({ length: heads }, (_, head) =>
    tensors.part(`${module}.norms.${head}.weight`, [headDim]),
  );
  return { kind: "dense", dtype: "float32", parts, shape: [heads * headDim] };
}

export const stableLm = decoderFamily({
  classNames: ["StableLm"],
  modelTypes: ["stablelm"],
  program: "gpt",
  asDecoder: (config) => ({ ...config, head_dim: undefined }),
  epsKey: "layer_norm_eps",
  eps: 1e-5,
  kvHeads: 32,
  partialRotaryFactor: 0.25,
  layer(decoder, index) {
    const { json, prefix, qHeads, kvHeads } = decoder;
    const layer = `${prefix}layers.${index}.`;
    const { qk_layernorm, use_parallel_residual, use_qkv_bias } = parsePhi(json);
    const parallel = use_parallel_residual ?? false;
    const attention = attentionWeights(decoder, layer, { qkv: use_qkv_bias ?? false, o: false });
    const mlp = mlpWeights(decoder, layer, false);
    return gptLayer(decoder, {
      attentionNorm: `${layer}input_layernorm`,
      mlpNorm: parallel ? null : `${layer}post_attention_layernorm`,
      qkv: attention.qkv_proj,
      out: attention.o_proj,
      up: mlp.gate_up_proj,
      down: mlp.down_proj,
      gated: true,
      parallel,
      ...(qk_layernorm && {
        headNorms: {
          q_norm: headNorm(decoder, `${layer}self_attn.q_layernorm`, qHeads),
          q_norm_bias: null,
          k_norm: headNorm(decoder, `${layer}self_attn.k_layernorm`, kvHeads),
          k_norm_bias: null,
        },
      }),
    });
  },
  end: (decoder) => [finalLayerNorm(decoder, "norm")],
});
