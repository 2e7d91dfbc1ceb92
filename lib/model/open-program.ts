import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import type { Architecture } from "../architectures/architecture.js";
import { describeArchitecture } from "../architectures/describe.js";
import { createPooling, type PoolingRule } from "../architectures/pooling.js";
import { weightsPerToken } from "../architectures/weights-per-token.js";
import { planPacks } from "../batching/packed.js";
import type { Assignment, PlaceableProgram } from "../device-map/assignment.js";
import type { Dtype, NativeBinding, NativeCheckpoint, ProgramSpec, TensorInfo } from "../native/binding.js";
import type { ResolvedOptions } from "../options.js";
import { loadReplicas } from "./load-replicas.js";
import { parseJson, requireText } from "../model-files/json.js";
import type { ModelFiles } from "./locate.js";
import type { ScoringModel } from "../scoring/scoring-model.js";

/** A checkpoint whose architecture has a built-in program; nothing of it is in memory yet. */
export interface ProgramSource {
  architecture: Architecture;
  /** config.json */
  config: string;
  /** Headers of the checkpoint that the architecture describes. */
  tensors: readonly TensorInfo[];
  /** The architecture's program, with its weights where `checkpoint` has them. */
  spec: ProgramSpec;
  checkpoint: NativeCheckpoint;
}

/**
 * Reads the config and the headers of the weights.
 *
 * @throws ERR_UNSUPPORTED_ARCHITECTURE, ERR_MODEL_CONFIG, ERR_MODEL_CORRUPT, ERR_WEIGHTS
 */
export async function openCheckpoint(binding: NativeBinding, files: ModelFiles): Promise<ProgramSource> {
  const path = join(files.directory, "config.json");
  const config = await requireText(path);
  const checkpoint = await binding.openCheckpoint(files.weights);
  try {
    const { tensors } = checkpoint;
    const architecture = describeArchitecture({
      config: parseJson(config, path),
      tensors,
      files: files.weights,
    });
    return { architecture, config, tensors, spec: architecture.spec, checkpoint };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** What of a program the placement of its stages depends on. */
export function placeableProgram(
  { architecture: { spec, dtype }, tensors }: Pick<ProgramSource, "architecture" | "tensors">,
  torchDtype: ResolvedOptions["torchDtype"],
  engine: Pick<NativeBinding, "packedDtype">,
): PlaceableProgram {
  const typesOn = (where: "cpu" | "accelerator") => {
    const computed = computeDtype(torchDtype, dtype, where);
    return { dtype: computed, linears: where === "cpu" ? engine.packedDtype(computed) : computed };
  };
  return { stages: spec.stages, tensors, typesOn };
}

/** Compiles the program and binds its weights. The checkpoint stays open: it is the caller's. */
export async function openProgram(
  binding: NativeBinding,
  { architecture, spec, checkpoint }: ProgramSource,
  { map, dtype, replicas }: Assignment,
  options: ResolvedOptions,
  idsOf: (text: string) => ArrayLike<number>,
  onProgress: (fraction: number) => void,
): Promise<ScoringModel> {
  const pool = createPooling(poolingRule(architecture.pooling, options.pooling), idsOf);
  const native = await loadReplicas(replicas, onProgress, ({ stages, executionDevice }, report) =>
    binding.loadProgram(spec, {
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
    toRow: (ids) => ({ ids, ...pool(requireVocabulary(ids, architecture.vocabularySize)) }),
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

/** "hf" is the model's own rule; "last" replaces the rules that look at the pad token, never a head's special token. */
export function poolingRule(own: PoolingRule, option: ResolvedOptions["pooling"]): PoolingRule {
  const looksAtPad = own.rule === "hf" || own.rule === "first-pad-minus-one";
  return option === "last" && looksAtPad ? { ...own, rule: "last" } : own;
}

/** float16 is emulated on a CPU, tens of times slower than float32, which holds every float16 number: that is used there. */
export function computeDtype(
  option: ResolvedOptions["torchDtype"],
  stored: Dtype,
  where: "cpu" | "accelerator",
): Dtype {
  const dtype = option === "auto" ? stored : option;
  return dtype === "float16" && where === "cpu" ? "float32" : dtype;
}

/** An id beyond the embedding means that the tokenizer belongs to another model. */
function requireVocabulary(ids: Int32Array, size: number): Int32Array {
  const id = ids.find((candidate) => candidate >= size);
  if (id === undefined) return ids;
  const message = `Token ${id} is outside the model's vocabulary of ${size}: the tokenizer belongs to another model.`;
  throw new RewardModelScoreError("ERR_INVALID_ROWS", message, {
    problems: [{ index: 0, path: "", message }],
  });
}

/** ArmoRM and its like have one reward and one gating coefficient per objective. */
function attributeNames({ attributeNames: names }: Architecture): Record<string, readonly string[]> {
  return names ? { rewards: names, gating: names } : {};
}
