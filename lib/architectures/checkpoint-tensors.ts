import { RewardModelScoreError } from "../errors.js";
import type { Dtype, TensorInfo, WeightPart, WeightSpec } from "../native/binding.js";

const DTYPES: Record<string, Dtype> = { F64: "float32", F32: "float32", F16: "float16", BF16: "bfloat16" };

/** Buffers that programs compute themselves. */
const RECOMPUTED = /(rotary_emb\.inv_freq|num_batches_tracked|normalizer\.count)$/;

/** Part of a linear: rows of its weight. */
export interface LinearPart {
  /** Module name: "model.layers.0.self_attn.q_proj" */
  module: string;
  rows: number;
}

/** The tensors of a checkpoint: recipes check name and shape here, and what no recipe asked for is unused. */
export class CheckpointTensors {
  private readonly byName: Map<string, TensorInfo>;
  private readonly used = new Set<string>();

  /** @param files the checkpoint's paths, for messages */
  constructor(
    tensors: readonly TensorInfo[],
    private readonly files: readonly string[],
  ) {
    this.byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  names(): string[] {
    return [...this.byName.keys()];
  }

  /** @throws ERR_WEIGHTS if there is none of this name */
  find(name: string): TensorInfo {
    const tensor = this.byName.get(name);
    if (tensor) return tensor;
    throw new RewardModelScoreError(
      "ERR_WEIGHTS",
      `The checkpoint has no tensor "${name}", which its config.json asks for. ` +
        "The download may be incomplete, or the file holds another model's weights.",
      { tensor: name },
    );
  }

  dtype(name: string): Dtype | undefined {
    return DTYPES[this.find(name).dtype];
  }

  /** A tensor as it is stored; `shape` is what the config implies. */
  part(name: string, shape: readonly number[]): WeightPart {
    const tensor = this.find(name);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      const path = this.files[tensor.file];
      throw new RewardModelScoreError(
        "ERR_WEIGHTS",
        `Tensor "${name}"${path ? ` in ${path}` : ""} has shape [${tensor.shape.join(", ")}], ` +
          `but config.json implies [${shape.join(", ")}].`,
        path ? { tensor: name, path } : { tensor: name },
      );
    }
    this.used.add(name);
    return { tensor: name };
  }

  /** A table whose rows are looked up. */
  table(name: string, shape: readonly number[]): WeightSpec {
    return { kind: "table", dtype: "model", parts: [this.part(name, shape)], shape: [...shape] };
  }

  /** Vectors and small matrices. */
  dense(name: string, shape: readonly number[], dtype: "model" | "float32"): WeightSpec {
    return { kind: "dense", dtype, parts: [this.part(name, shape)], shape: [...shape] };
  }

  /** The rows of several linears one below the other, so that one product computes them all. */
  linear(parts: readonly LinearPart[], columns: number, bias: boolean): WeightSpec {
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const weight = parts.map((part) => this.part(`${part.module}.weight`, [part.rows, columns]));
    const spec: WeightSpec = { kind: "linear", dtype: "model", parts: weight, shape: [rows, columns] };
    if (bias) spec.bias = parts.map((part) => this.part(`${part.module}.bias`, [part.rows]));
    return spec;
  }

  unused(): string[] {
    return this.names().filter((name) => !this.used.has(name) && !RECOMPUTED.test(name));
  }
}
