import { RewardModelScoreError } from "../errors.js";
import type { Dtype, TensorInfo } from "../native/binding.js";
import type { Architecture } from "./architecture.js";
import { CheckpointTensors } from "./checkpoint-tensors.js";
import { configError } from "./config-error.js";
import { configDtype, parseConfig, type ModelConfig } from "./config.js";
import { buildTrunk, type Family } from "./decoder.js";
import { families } from "./families/index.js";
import { findValueHead } from "./heads.js";
import { attributeNames, registry, type Registration } from "./registry.js";
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
  const { name, registration } = findRegistration(checkpoint.config, tensors);
  const config = parseConfig(checkpoint.config);
  const family: Family = families[registration.family];
  const trunk = buildTrunk(config, tensors, family);
  const head = registration.head(tensors, trunk.hidden, config);
  const names = head.attributes === undefined ? undefined : attributeNames(registration, head.attributes);
  const labelNames = readLabelNames(config, head.labels);
  const finalTokenId = readFinalToken(config, registration);
  return {
    name,
    family: registration.family,
    spec: { stages: [...trunk.stages, head.stage], reference: referenceOps() },
    dtype: configDtype(config) ?? storedDtype(tensors, trunk.embedding),
    vocabularySize: config.vocab_size,
    pooling: { ...registration.pooling, padTokenId: padTokenId(config, family) },
    labels: head.labels,
    ...(labelNames && { labelNames }),
    ...(names && { attributeNames: names }),
    ...(finalTokenId !== undefined && { finalTokenId }),
    unusedTensors: tensors.unused(),
    ropeClass: (rowLength) => ropeClass(trunk.ropes, rowLength),
  };
}

/** Names of architectures that have a built-in program. */
export function supportedArchitectures(): string[] {
  return [...registry].filter(([, entry]) => !entry.needsValueHead).map(([name]) => name);
}

function findRegistration(json: unknown, tensors: CheckpointTensors) {
  const listed = (json as { architectures?: unknown } | null)?.architectures;
  const names = Array.isArray(listed) ? listed.filter((name) => typeof name === "string") : [];
  for (const name of names) {
    const registration = registry.get(name);
    if (registration && (!registration.needsValueHead || findValueHead(tensors)))
      return { name, registration };
  }
  const architecture = names.join(", ") || "none named in config.json";
  const supported = supportedArchitectures();
  const reason = names.some((name) => registry.has(name))
    ? `${architecture} is a language model, and the checkpoint has no value head beside it.`
    : `There is no built-in program for the architecture ${architecture}.`;
  throw new RewardModelScoreError(
    "ERR_UNSUPPORTED_ARCHITECTURE",
    `${reason} Export the model with scripts/export_torchscript.py and pass the model.pt. ` +
      `Built in are: ${supported.join(", ")}.`,
    { architecture, supported },
  );
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

/** An absent key has the family's default; null means that there is none. */
function padTokenId(config: ModelConfig, family: Family): number | null {
  return config.pad_token_id === undefined ? (family.padTokenId ?? null) : config.pad_token_id;
}
