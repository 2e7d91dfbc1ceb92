import type { WeightSpec } from "../../native/binding.js";
import { configError } from "../config/errors.js";
import { attentionAttributes, attentionWeights, layerNorms } from "../decoder-weights.js";
import { decoderFamily } from "../decoder.js";
import { windowOr } from "./windows.js";

export const mixtral = decoderFamily({
  classNames: ["Mixtral"],
  modelTypes: ["mixtral"],
  program: "mixtral",
  eps: 1e-5,
  theta: 1_000_000,
  layer(decoder, index) {
    const { config, tensors, hidden, intermediate } = decoder;
    const layer = `${decoder.prefix}layers.${index}.`;
    const experts = config.num_local_experts ?? 8;
    const perToken = config.num_experts_per_tok ?? 2;
    if (perToken > experts) throw configError(`num_experts_per_tok ${perToken} exceeds ${experts} experts.`);
    const each = <T>(make: (expert: number) => T) =>
      Array.from({ length: experts }, (_, expert) => make(expert));
    // Since transformers 5 the experts of a layer may be one tensor; the Hub's checkpoints have one for each.
    const fused = tensors.has(`${layer}mlp.experts.gate_up_proj`);
    const moe = `${layer}${tensors.has(`${layer}mlp.gate.weight`) ? "mlp" : "block_sparse_moe"}.`;
    const stacked = (name: string, rows: number, columns: number) =>
      each((expert): WeightSpec => {
        const part = tensors.part(`${moe}experts.${name}`, [experts, rows, columns]);
        const slice = { dim: 0, start: expert, end: expert + 1 };
        return {
          kind: "linear",
          dtype: "model",
          parts: [{ ...part, slice, flatten: [rows, columns] }],
          shape: [rows, columns],
        };
      });
    const renames: Record<string, string> = { [`${moe}gate.weight`]: `${layer}mlp.gate.weight` };
    const separate = (names: string[], fusedName: string, rows: number, columns: number) =>
      each((expert) => {
        const modules = names.map((name) => `${moe}experts.${expert}.${name}`);
        for (const module of modules) renames[`${module}.weight`] = `${layer}mlp.experts.${fusedName}`;
        return tensors.linear(
          modules.map((module) => ({ module, rows })),
          columns,
          false,
        );
      });
    const share = perToken / experts;
    return {
      renames,
      uses: { experts_gate_up: share, experts_down: share },
      attributes: {
        ...attentionAttributes(decoder, windowOr(decoder, 0)),
        experts_per_token: { int: perToken },
      },
      weights: {
        ...layerNorms(decoder, layer, "input_layernorm", "post_attention_layernorm"),
        ...attentionWeights(decoder, layer, { qkv: false, o: false }),
        router: tensors.linear([{ module: `${moe}gate`, rows: experts }], hidden, false),
        experts_gate_up: fused
          ? stacked("gate_up_proj", 2 * intermediate, hidden)
          : separate(["w1", "w3"], "gate_up_proj", intermediate, hidden),
        experts_down: fused
          ? stacked("down_proj", hidden, intermediate)
          : separate(["w2"], "down_proj", hidden, intermediate),
      },
    };
  },
});
