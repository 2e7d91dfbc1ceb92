import { RewardModelScoreError } from "../errors.js";
import type { LoraConfig } from "../model-files/adapter-config.js";
import type { Dtype, TensorInfo, WeightPart, WeightScale, WeightSpec } from "../native/binding.js";
import { blockOf, isFloat8, SCALES } from "./float8.js";
import { commonName, isOfLora, LoraTensors } from "./lora.js";
import { isAdapters, isBaseLayer, isOfAdapter, isOriginalCopy, moduleName } from "./module-names.js";
import { unknownNumbers, type Quantization } from "./quantization.js";

/** What a model computes in whose weights are stored so; its config may say something else. */
const DTYPES: Record<string, Dtype> = {
  F64: "float32",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  F8_E4M3: "bfloat16",
  F8_E5M2: "bfloat16",
};

/** Buffers that programs compute themselves, masks of old decoders among them. */
const RECOMPUTED =
  /(rotary_emb\.inv_freq|num_batches_tracked|normalizer\.count|embeddings\.(position_ids|token_type_ids)|\.(attn|attention)\.(masked_)?bias)$/;

/** Part of a linear: rows of its weight. */
export interface LinearPart {
  /** Module name: "model.layers.0.self_attn.q_proj" */
  module: string;
  rows: number;
}

/**
 * The tensors of a checkpoint by the names that the model's own class gives them: recipes check name and shape here, and
 * what no recipe asked for is unused.
 */
export class CheckpointTensors {
  private readonly byName: Map<string, TensorInfo>;
  private readonly used = new Set<string>();
  private readonly originals: string[] = [];
  private readonly lora: LoraTensors | undefined;

  /**
   * @param quantization what the config says of weights in F8
   * @param files the checkpoint's paths, for messages
   * @param adapter of the LoRA whose tensors are among them: what it has in the place of its base's is taken
   * @throws ERR_WEIGHTS for two tensors of one name, ERR_NOT_SUPPORTED for those of an adapter that is none of these
   */
  constructor(
    tensors: readonly TensorInfo[],
    private readonly quantization: Quantization,
    private readonly files: readonly string[],
    adapter?: LoraConfig,
  ) {
    this.byName = new Map();
    this.lora = adapter && new LoraTensors(adapter, ({ file }) => files[file]);
    const replacements: TensorInfo[] = [];
    for (const tensor of tensors) {
      if (this.lora && isOfLora(tensor.name)) this.lora.add(tensor);
      else if (isOfAdapter(tensor.name) || (!this.lora && isBaseLayer(tensor.name)))
        throw unmerged(tensor.name);
      else if (isOriginalCopy(tensor.name)) this.originals.push(tensor.name);
      else if (isAdapters(tensor.name)) replacements.push(tensor);
      else this.add(moduleName(tensor.name), tensor);
    }
    if (this.lora) this.adapt(this.lora, replacements);
  }

  private add(name: string, tensor: TensorInfo): void {
    const twin = this.byName.get(name);
    if (twin) throw ambiguous(name, twin, tensor);
    this.byName.set(name, tensor);
  }

  /** Modules that were trained whole take the place of the base's, and what LoRA adds finds its tensor. */
  private adapt(lora: LoraTensors, replacements: readonly TensorInfo[]): void {
    if (lora.isEmpty && replacements.length === 0) throw emptyAdapter();
    const base = new Map(this.names().map((name) => [commonName(name), name]));
    const find = (name: string) => (this.byName.has(name) ? name : base.get(commonName(name)));
    const replaced = new Map<string, TensorInfo>();
    for (const tensor of replacements) {
      const own = moduleName(tensor.name);
      const name = find(own) ?? own;
      const twin = replaced.get(name);
      if (twin) throw ambiguous(name, twin, tensor);
      replaced.set(name, tensor);
    }
    for (const [name, tensor] of replaced) this.byName.set(name, tensor);
    lora.bind(find);
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

  /**
   * What stands before a tensor's name: "model." mostly, "transformer." or "language_model.model." in wrappers, "" if it
   * was saved alone.
   *
   * @param usual wins where there are several, and is what is missed where there is none
   * @throws ERR_WEIGHTS for several
   */
  prefixOf(suffix: string, usual = ""): string {
    const found = this.names().filter((name) => name === suffix || name.endsWith(`.${suffix}`));
    const prefixes = found.map((name) => name.slice(0, -suffix.length));
    if (prefixes.length === 0 || prefixes.includes(usual)) return usual;
    if (prefixes.length === 1) return prefixes[0]!;
    throw new RewardModelScoreError(
      "ERR_WEIGHTS",
      `The checkpoint has several models: ${found.join(", ")}. Save the reward model alone.`,
      { tensor: found[0]! },
    );
  }

  dtype(name: string): Dtype | undefined {
    return DTYPES[this.find(name).dtype];
  }

  /** A tensor with the scale that it is stored with; `shape` is what the config implies. */
  part(name: string, shape: readonly number[]): WeightPart {
    const tensor = this.find(name);
    // Packed integers have another shape, which would be blamed.
    if (DTYPES[tensor.dtype] === undefined) throw unknownNumbers(tensor);
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
    const scale = isFloat8(tensor.dtype) ? this.scaleOf(name, tensor) : undefined;
    const delta = this.lora?.deltaOf(name, tensor.shape);
    return { tensor: tensor.name, ...(scale && { scale }), ...(delta && { delta }) };
  }

  private scaleOf(name: string, weight: TensorInfo): WeightScale | undefined {
    const key = SCALES.map((end) => name + end).find((candidate) => this.has(candidate));
    if (key === undefined && !this.quantization.scaled) return undefined;
    const scale = this.find(key ?? name + SCALES[0]!);
    this.used.add(key!);
    const block = blockOf(weight, scale, this.quantization.block);
    if (block) return { tensor: scale.name, block };
    throw new RewardModelScoreError(
      "ERR_WEIGHTS",
      `Tensor "${scale.name}" has shape [${scale.shape.join(", ")}] and can scale no blocks of "${name}", which has shape ` +
        `[${weight.shape.join(", ")}].`,
      { tensor: scale.name },
    );
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

  /**
   * As the checkpoint calls them. When everything is built.
   *
   * @throws ERR_WEIGHTS where an adapter changes what its base has not
   */
  unused(): string[] {
    const names = this.names().filter((name) => !this.used.has(name) && !RECOMPUTED.test(name));
    return [...names.map((name) => this.find(name).name), ...this.originals, ...(this.lora?.unused() ?? [])];
  }
}

function ambiguous(name: string, { name: one }: TensorInfo, { name: other }: TensorInfo) {
  return new RewardModelScoreError(
    "ERR_WEIGHTS",
    `The checkpoint has "${name}" twice, as "${one}" and as "${other}": which of them the model is made of is unknown. ` +
      "Save the model once, without what a trainer wrapped around it.",
    { tensor: other },
  );
}

function unmerged(name: string) {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `Tensor "${name}" belongs to an adapter that is not merged into its base and is no LoRA with its adapter_config.json. ` +
      "Merge it in Python (merge_and_unload() of the PEFT model) and save the model again.",
    { feature: "adapters" },
  );
}

function emptyAdapter() {
  return new RewardModelScoreError(
    "ERR_WEIGHTS",
    "There is an adapter_config.json, but no tensor of an adapter: its file may be missing.",
    { tensor: "lora_A" },
  );
}
