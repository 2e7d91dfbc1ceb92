import type { WeightSpec } from "../native/binding.js";
import { configError } from "./config/errors.js";
import type { Decoder, LayerSpec } from "./decoder.js";

export interface Experts {
  count: number;
  perToken: number;
  /** Width of one. */
  intermediate: number;
  /** Where the checkpoint has them, behind the layer: "block_sparse_moe." */
  module: string;
  /** Of an expert's linears, where each is a tensor of its own. */
  names: { gate: string; up: string; down: string };
}

/**
 * Weights of a sparse mixture of gated MLPs: a router, and the experts. Since transformers 5 the experts of a layer may
 * be one tensor; the Hub's checkpoints have one for each.
 */
export function expertWeights(
  { tensors, hidden }: Decoder,
  layer: string,
  { count, perToken, intermediate, module, names }: Experts,
): Required<Omit<LayerSpec, "source" | "buffers">> {
  if (perToken > count) throw configError(`num_experts_per_tok ${perToken} exceeds ${count} experts.`);
  const each = <T>(make: (expert: number) => T) => Array.from({ length: count }, (_, expert) => make(expert));
  const fused = tensors.has(`${layer}mlp.experts.gate_up_proj`);
  const stacked = (name: string, rows: number, columns: number) =>
    each((expert): WeightSpec => {
      const part = tensors.part(`${layer}mlp.experts.${name}`, [count, rows, columns]);
      const slice = { dim: 0, start: expert, end: expert + 1 };
      return {
        kind: "linear",
        dtype: "model",
        parts: [{ ...part, slice, flatten: [rows, columns] }],
        shape: [rows, columns],
      };
    });
  const router = tensors.has(`${layer}mlp.gate.weight`) ? `${layer}mlp.gate` : `${layer}${module}gate`;
  const renames: Record<string, string> = { [`${router}.weight`]: `${layer}mlp.gate.weight` };
  const separate = (linears: string[], fusedName: string, rows: number, columns: number) =>
    each((expert) => {
      const modules = linears.map((name) => `${layer}${module}experts.${expert}.${name}`);
      for (const own of modules) renames[`${own}.weight`] = `${layer}mlp.experts.${fusedName}`;
      return tensors.linear(
        modules.map((own) => ({ module: own, rows })),
        columns,
        false,
      );
    });
  const share = perToken / count;
  return {
    renames,
    uses: { experts_gate_up: share, experts_down: share },
    attributes: { experts_per_token: { int: perToken } },
    weights: {
      router: tensors.linear([{ module: router, rows: count }], hidden, false),
      experts_gate_up: fused
        ? stacked("gate_up_proj", 2 * intermediate, hidden)
        : separate([names.gate, names.up], "gate_up_proj", intermediate, hidden),
      experts_down: fused
        ? stacked("down_proj", hidden, intermediate)
        : separate([names.down], "down_proj", hidden, intermediate),
    },
  };
}
