import type { Dtype, TensorInfo } from "../native/binding.js";
import type { Architecture } from "./architecture.js";
import { CheckpointTensors } from "./checkpoint-tensors.js";
import { configError } from "./config-error.js";
import { configDtype, parseConfig, type ModelConfig } from "./config.js";
import { buildTrunk, type Family } from "./decoder.js";
import { families } from "./families/index.js";
import { findClass } from "./find-class.js";
import { SCORE } from "./heads.js";
import { attributeNames, type Registration } from "./registry.js";
import { moduleName } from "./module-names.js";
import { ropeClass } from "./rope.js";
import { referenceOps } from "./sources.js";

/** A checkpoint as it lies on disk. */
export interface CheckpointDescription {
  /** config.json, parsed */
  config: unknown;
  tensors: readonly TensorInfo[];
  /** The files that the tensors are in, for messages. */
  files?: readonly string[];
}

/**
 * Finds the built-in program for a checkpoint and binds it to the checkpoint's tensors. Every size of the config is
 * compared with the tensors' shapes, so nothing is allocated for a config that lies.
 *
 * @throws ERR_UNSUPPORTED_ARCHITECTURE, ERR_MODEL_CONFIG, ERR_WEIGHTS, ERR_NOT_SUPPORTED
 */
export function describeArchitecture(checkpoint: CheckpointDescription): Architecture {
  const tensors = new CheckpointTensors(checkpoint.tensors, checkpoint.files ?? []);
  const { name, registration } = findClass(checkpoint.config, tensors);
  const config = parseConfig(checkpoint.config);
  const family: Family = families[registration.family];
  const trunk = buildTrunk(config, tensors, family);
  const head = registration.head(tensors, trunk.hidden, config);
  const names = head.attributes === undefined ? undefined : attributeNames(registration, head.attributes);
  const labelNames = readLabelNames(config, head.labels);
  const finalTokenId = readFinalToken(config, registration);
  const unusedTensors = tensors.unused();
  return {
    name,
    family: registration.family,
    spec: { stages: [...trunk.stages, head.stage], reference: referenceOps() },
    dtype: configDtype(config) ?? storedDtype(tensors, trunk.embedding),
    vocabularySize: config.vocab_size,
    ...(config.max_position_embeddings != null && { maxPositions: config.max_position_embeddings }),
    pooling: { ...registration.pooling, padTokenId: padTokenId(config, family) },
    labels: head.labels,
    ...(labelNames && { labelNames }),
    ...(names && { attributeNames: names }),
    ...(finalTokenId !== undefined && { finalTokenId }),
    unusedTensors,
    warnings: notApplied(config, unusedTensors),
    ropeClass: (rowLength) => ropeClass(trunk.ropes, rowLength),
  };
}

function storedDtype(tensors: CheckpointTensors, embedding: string): Dtype {
  const dtype = tensors.dtype(embedding);
  if (dtype) return dtype;
  throw configError(`weights of type ${tensors.find(embedding).dtype} have no built-in program.`);
}

/** id2label, unless it holds the names that transformers makes up. */
function readLabelNames(config: ModelConfig, labels: number): string[] | undefined {
  const names = Array.from({ length: labels }, (_, label) => config.id2label?.[label]);
  const given = names.every((name, label) => name !== undefined && name !== `LABEL_${label}`);
  return given ? (names as string[]) : undefined;
}

function readFinalToken(config: ModelConfig, { finalToken }: Registration): number | undefined {
  if (finalToken !== "reward_token_id") return finalToken;
  if (config.reward_token_id == null)
    throw configError(`"reward_token_id" is missing; rows have to end with it.`);
  return config.reward_token_id;
}

/** What a trainer left for the score and transformers, by which scores are made here, does not apply. */
function notApplied({ mean, std }: ModelConfig, unused: readonly string[]): string[] {
  const warnings: string[] = [];
  const bias = unused.find((name) => moduleName(name) === `${SCORE}.bias`);
  if (bias !== undefined) {
    warnings.push(`The checkpoint's ${bias} is not added: the classifier of transformers has no bias.`);
  }
  if (typeof mean === "number" && typeof std === "number" && Number.isFinite(mean + std)) {
    warnings.push(
      `config.json has the mean ${mean} and the deviation ${std} of the rewards in training (OpenRLHF's normalize_reward). ` +
        "Scores are raw, as transformers has them: (score - mean) / std is the normalised one.",
    );
  }
  return warnings;
}

/** An absent key has the family's default; null means that there is none. */
function padTokenId(config: ModelConfig, family: Family): number | null {
  return config.pad_token_id === undefined ? (family.padTokenId ?? null) : config.pad_token_id;
}
