import type { Architecture } from "../../architectures/architecture.js";
import { createPooling, type PoolingRule } from "../../architectures/pooling.js";
import type { RewardStatistics } from "../../architectures/statistics.js";
import { weightsPerToken } from "../../architectures/weights-per-token.js";
import { planPacks } from "../../batching/packed.js";
import type { Assignment } from "../../device-map/assignment.js";
import { placeableStages, type Placeable, type Processor } from "../../device-map/placeable.js";
import type { LoraConfig } from "../../model-files/adapter-config.js";
import type { NativeBinding, NativeCheckpoint, ProgramSpec, TensorInfo } from "../../native/binding.js";
import type { ResolvedOptions } from "../../options.js";
import type { ScoringModel } from "../../scoring/scoring-model.js";
import type { TokenizerPool } from "../../tokenizer/tokenizer.js";
import { computeDtype } from "../compute-dtype.js";
import { loadReplicas } from "../load-replicas.js";
import { requireFit } from "./require-fit.js";
import type { Loading, ModelInputs, ModelSource } from "./source.js";

/** What a built-in program is compiled from. */
export interface ProgramParts {
  architecture: Architecture;
  /** config.json */
  config: string;
  /** Headers of the checkpoint that the architecture describes. */
  tensors: readonly TensorInfo[];
  /** Of the LoRA whose tensors are among them. */
  adapter: LoraConfig | undefined;
  /** The architecture's program, with its weights where `checkpoint` has them. */
  spec: ProgramSpec;
  checkpoint: NativeCheckpoint;
  /** Size of the checkpoint's files. */
  bytes: number;
}

/** A checkpoint whose architecture has a built-in program. */
export class ProgramSource implements ModelSource, ProgramParts {
  readonly architecture: Architecture;
  readonly config: string;
  readonly tensors: readonly TensorInfo[];
  readonly adapter: LoraConfig | undefined;
  readonly spec: ProgramSpec;
  readonly checkpoint: NativeCheckpoint;
  readonly bytes: number;

  constructor(
    private readonly binding: NativeBinding,
    { architecture, config, tensors, adapter, spec, checkpoint, bytes }: ProgramParts,
  ) {
    this.architecture = architecture;
    this.config = config;
    this.tensors = tensors;
    this.adapter = adapter;
    this.spec = spec;
    this.checkpoint = checkpoint;
    this.bytes = bytes;
  }

  get inputs(): ModelInputs {
    return this.architecture;
  }

  get unusedTensors(): readonly string[] {
    return this.architecture.unusedTensors;
  }

  get warnings(): readonly string[] {
    return this.architecture.warnings;
  }

  get labels(): number {
    return this.architecture.labels;
  }

  get statistics(): RewardStatistics | undefined {
    return this.architecture.statistics;
  }

  get statedActivation(): string | undefined {
    return this.architecture.statedActivation;
  }

  placeable(torchDtype: ResolvedOptions["torchDtype"]): Placeable {
    return placeableProgram(this, torchDtype, this.binding);
  }

  /** Compiles the program and binds its weights. */
  async open(
    { map, dtype, replicas }: Assignment,
    options: ResolvedOptions,
    tokenizer: Pick<TokenizerPool, "idsOf">,
    { signal, onProgress }: Loading,
  ): Promise<ScoringModel> {
    const { architecture, spec, checkpoint } = this;
    const idsOf = await poolingIds(architecture, tokenizer, signal);
    const pool = createPooling(poolingRule(architecture.pooling, options.pooling), idsOf);
    const native = await loadReplicas(replicas, onProgress, ({ stages, executionDevice }, report) =>
      this.binding.loadProgram(spec, {
        checkpoint,
        dtype,
        threads: options.threads ?? 0,
        stageDevices: stages,
        executionDevice,
        onProgress: report,
      }),
    );
    return {
      native,
      deviceMap: map,
      toRow: (fields) => ({ fields, ...pool(requireFit(fields, architecture).ids) }),
      plan: (rows, budget) =>
        planPacks(rows, {
          budget,
          sharePrefixes: options.sharePrefixes,
          causal: architecture.causal,
          ropeClass: architecture.ropeClass,
        }),
      maxBatchTokens: options.maxBatchTokens,
      scoreShape: {
        perStep: architecture.pooling.rule === "every-token",
        attributes: options.attributes,
        names: attributeNames(architecture),
      },
      weightsPerToken: weightsPerToken(architecture.spec),
    };
  }

  close(): void {
    this.checkpoint.close();
  }
}

/** What of a program the placement of its stages depends on. */
export function placeableProgram(
  { architecture: { spec, dtype }, tensors }: Pick<ProgramParts, "architecture" | "tensors">,
  torchDtype: ResolvedOptions["torchDtype"],
  engine: Pick<NativeBinding, "packedDtype">,
): Placeable {
  return placeableStages(spec.stages, tensors, (where: Processor) => {
    const computed = computeDtype(torchDtype, dtype, where);
    return { dtype: computed, linears: where === "cpu" ? engine.packedDtype(computed) : computed };
  });
}

/** Ids of the texts that the pooling rule names. */
export async function poolingIds(
  { pooling: { token, gate } }: Architecture,
  tokenizer: Pick<TokenizerPool, "idsOf">,
  signal: AbortSignal | undefined,
): Promise<(text: string) => Int32Array> {
  const ids = new Map<string, Int32Array>();
  for (const text of [token, gate])
    if (typeof text === "string") ids.set(text, await tokenizer.idsOf(text, signal));
  return (text) => ids.get(text)!;
}

/** "hf" is the model's own rule; "last" replaces the rules that look at the pad token, never a head's special token. */
export function poolingRule(own: PoolingRule, option: ResolvedOptions["pooling"]): PoolingRule {
  const looksAtPad = own.rule === "hf" || own.rule === "first-pad-minus-one";
  return option === "last" && looksAtPad ? { ...own, rule: "last" } : own;
}

/** ArmoRM and its like have one reward and one gating coefficient per objective. */
function attributeNames({ attributeNames: names }: Architecture): Record<string, readonly string[]> {
  return names ? { rewards: names, gating: names } : {};
}
