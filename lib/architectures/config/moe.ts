import * as v from "valibot";
import { count, parseKeys, type Config } from "./keys.js";

const flag = v.nullish(v.boolean());
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 20));

const moeKeys = v.object({
  num_local_experts: v.nullish(count(4096)),
  num_experts: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(4096))),
  num_experts_per_tok: v.nullish(count(4096)),
  moe_intermediate_size: v.nullish(count(2 ** 20)),
  shared_expert_intermediate_size: v.nullish(count(2 ** 20)),
  norm_topk_prob: flag,
  qkv_bias: flag,
  decoder_sparse_step: v.nullish(count(1024)),
  mlp_only_layers: v.nullish(v.array(index)),
});
export type MoeConfig = v.InferOutput<typeof moeKeys>;

/** What mixtures of experts read. */
export function parseMoe(config: Config): MoeConfig {
  return parseKeys(moeKeys, config);
}
