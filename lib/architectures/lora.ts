import { RewardModelScoreError } from "../errors.js";
import type { LoraConfig } from "../model-files/adapter-config.js";
import type { TensorInfo, WeightDelta } from "../native/binding.js";
import { moduleName } from "./module-names.js";
import { patternValue } from "./peft-pattern.js";

/** What one module has of a LoRA. */
const PARTS = ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector"] as const;
type Part = (typeof PARTS)[number] | "bias";

/** A tensor's module, part and, for the bias of lora_B, what of it; the adapter's own name may stand between them. */
const LORA = new RegExp(
  `^(.*)\\.(${PARTS.join("|")})(?:\\.(?!weight$|bias$)[^.]+)?(?:\\.(weight|bias))?$`,
  "s",
);

/** What hangs below other wrappers in other versions of transformers, and names that it has changed. */
const HANGS_BELOW = /^(?:(?:model|language_model|transformer|text_model)\.)+/;

/** The part of a tensor's name that all versions of transformers agree on. */
export function commonName(name: string): string {
  return name.replace(HANGS_BELOW, "").replace(".block_sparse_moe.", ".mlp.");
}

export function isOfLora(tensor: string): boolean {
  return LORA.test(tensor);
}

/** The tensors of a LoRA adapter, and what they add to those of its base. */
export class LoraTensors {
  readonly #modules = new Map<string, Map<Part, TensorInfo>>();
  /** Names of the base's tensors that are changed. */
  readonly #applied = new Set<string>();
  /** What a module is called in the base. */
  readonly #inBase = new Map<string, string>();

  /** @param path of a tensor's file, for messages */
  constructor(
    private readonly config: LoraConfig,
    private readonly path: (tensor: TensorInfo) => string | undefined,
  ) {}

  get isEmpty(): boolean {
    return this.#modules.size === 0;
  }

  /** @param tensor one that `isOfLora` */
  add(tensor: TensorInfo): void {
    const [, module, name, leaf] = LORA.exec(tensor.name)!;
    const part = name === "lora_B" && leaf === "bias" ? "bias" : (name as Part);
    const key = moduleName(module!);
    const parts = this.#modules.get(key) ?? new Map<Part, TensorInfo>();
    this.#modules.set(key, parts);
    const twin = parts.get(part);
    if (twin)
      throw this.#error(tensor, `is there twice for ${key}, also as "${twin.name}": name one adapter`);
    parts.set(part, tensor);
  }

  /** Finds every module among the names of the base's tensors. */
  bind(find: (name: string) => string | undefined): void {
    for (const module of this.#modules.keys()) {
      const weight = find(`${module}.weight`);
      if (weight !== undefined) this.#inBase.set(weight.slice(0, -".weight".length), module);
    }
  }

  /** What is added to a tensor of the base, if anything is. */
  deltaOf(name: string, shape: readonly number[]): WeightDelta | undefined {
    const [, inBase, leaf] = /^(.*)\.(weight|bias)$/s.exec(name) ?? [];
    const module = inBase === undefined ? undefined : this.#inBase.get(inBase);
    const parts = module === undefined ? undefined : this.#modules.get(module);
    if (module === undefined || !parts) return undefined;
    if (leaf === "bias") return this.#biasDelta(module, name, parts);
    this.#applied.add(name);
    const embedding = parts.has("lora_embedding_A") || parts.has("lora_embedding_B");
    const a = this.#require(parts, embedding ? "lora_embedding_A" : "lora_A");
    const b = this.#require(parts, embedding ? "lora_embedding_B" : "lora_B");
    const magnitude = this.config.dora
      ? this.#require(parts, "lora_magnitude_vector")
      : parts.get("lora_magnitude_vector");
    const rank = this.#rank(module);
    const transposed = embedding || this.#isTransposed(shape, a, b);
    const [out, inside] = transposed ? [shape[1], shape[0]] : [shape[0], shape[1]];
    if (shape.length !== 2) throw this.#misfit(a, name, shape);
    this.#expect(a, [rank, inside!], name, shape);
    this.#expect(b, [out!, rank], name, shape);
    if (magnitude) this.#expect(magnitude, [out!], name, shape);
    return {
      a: a.name,
      b: b.name,
      scale: this.#scale(module),
      ...(transposed && { transposed }),
      ...(magnitude && { magnitude: magnitude.name }),
    };
  }

  /**
   * Tensors that change nothing that a program reads, as those of an lm_head.
   *
   * @throws ERR_WEIGHTS for those that should: of modules that the base has not
   */
  unused(): string[] {
    const used = new Set(
      [...this.#applied].map((name) => this.#inBase.get(name.replace(/\.(weight|bias)$/s, ""))),
    );
    const inBase = new Set(this.#inBase.values());
    const unused: string[] = [];
    for (const [module, parts] of this.#modules) {
      const tensors = [...parts.values()];
      if (!inBase.has(module) && !/(^|\.)lm_head$/.test(module))
        throw this.#error(
          tensors[0]!,
          `changes "${module}.weight", which its base does not have: is it of another model?`,
        );
      if (!used.has(module)) unused.push(...tensors.map(({ name }) => name));
      else if (parts.has("bias") && !this.#biasApplied(module))
        throw this.#error(parts.get("bias")!, `adds a bias to "${module}", which has none in the base`);
    }
    return unused;
  }

  #biasDelta(module: string, name: string, parts: Map<Part, TensorInfo>): WeightDelta | undefined {
    const bias = parts.get("bias");
    if (!bias) return undefined;
    this.#applied.add(name);
    return { b: bias.name, scale: this.#scale(module) };
  }

  #biasApplied(module: string): boolean {
    return [...this.#applied].some((name) => {
      return name.endsWith(".bias") && this.#inBase.get(name.slice(0, -".bias".length)) === module;
    });
  }

  #rank(module: string): number {
    return patternValue(this.config.ranks, module) ?? this.config.rank;
  }

  #scale(module: string): number {
    const rank = this.#rank(module);
    const alpha = patternValue(this.config.alphas, module) ?? this.config.alpha;
    return alpha / (this.config.rankStabilized ? Math.sqrt(rank) : rank);
  }

  /** The shapes say it; of a square matrix the config does. */
  #isTransposed(shape: readonly number[], a: TensorInfo, b: TensorInfo): boolean {
    const [out, inside] = [b.shape[0], a.shape[1]];
    if (out === inside) return this.config.fanInFanOut;
    return shape[0] === inside && shape[1] === out;
  }

  #require(parts: Map<Part, TensorInfo>, part: Part): TensorInfo {
    const tensor = parts.get(part);
    if (tensor) return tensor;
    const [other] = parts.values();
    throw this.#error(other!, `has no ${part} beside it: the adapter's file is incomplete`);
  }

  #expect(tensor: TensorInfo, wanted: readonly number[], name: string, shape: readonly number[]): void {
    const fits = tensor.shape.length === wanted.length && tensor.shape.every((size, i) => size === wanted[i]);
    if (!fits) throw this.#misfit(tensor, name, shape, wanted);
  }

  #misfit(tensor: TensorInfo, name: string, shape: readonly number[], wanted?: readonly number[]) {
    const needed = wanted ? `; with adapter_config.json it needs [${wanted.join(", ")}]` : "";
    return this.#error(
      tensor,
      `has shape [${tensor.shape.join(", ")}], which does not fit "${name}" of the base with shape ` +
        `[${shape.join(", ")}]${needed}`,
    );
  }

  #error(tensor: TensorInfo, what: string): RewardModelScoreError<"ERR_WEIGHTS"> {
    const path = this.path(tensor);
    return new RewardModelScoreError(
      "ERR_WEIGHTS",
      `The adapter's tensor "${tensor.name}"${path ? ` in ${path}` : ""} ${what}.`,
      path ? { tensor: tensor.name, path } : { tensor: tensor.name },
    );
  }
}
