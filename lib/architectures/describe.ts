import type { LoraConfig } from "../model-files/adapter-config.js";
import type { Dtype, TensorInfo } from "../native/binding.js";
import type { Architecture } from "./architecture.js";
import { CheckpointTensors } from "./checkpoint-tensors.js";
import { configDtype, parseCommon, textConfig, type CommonConfig } from "./config/common.js";
import { configError } from "./config/errors.js";
import { families } from "./families/index.js";
import type { Family } from "./family.js";
import { findClass } from "./find-class.js";
import { readQuantization } from "./quantization.js";
import { attributeNames, type Registration } from "./registry.js";
import { moduleName } from "./module-names.js";
import { ropeClass } from "./rope.js";
import { referenceOps } from "./sources.js";
import { readStatedActivation } from "./stated-activation.js";
import { readStatistics } from "./statistics.js";

/** A checkpoint as it lies on disk. */
export interface CheckpointDescription {
  /** config.json, parsed */
  config: unknown;
  tensors: readonly TensorInfo[];
  /** The files that the tensors are in, for messages. */
  files?: readonly string[];
  /** How the adapter's tensors that are among them are applied. */
  adapter?: LoraConfig | undefined;
}

/**
 * Finds the built-in program for a checkpoint and binds it to the checkpoint's tensors. Every size of the config is
 * compared with the tensors' shapes, so nothing is allocated for a config that lies.
 *
 * @param known the families that a trunk may be of
 * @throws ERR_UNSUPPORTED_ARCHITECTURE, ERR_MODEL_CONFIG, ERR_WEIGHTS, ERR_NOT_SUPPORTED
 */
export function describeArchitecture(
  checkpoint: CheckpointDescription,
  known: readonly Family[] = families,
): Architecture {
  const quantization = readQuantization(checkpoint.config, checkpoint.tensors);
  const { files = [], adapter } = checkpoint;
  const tensors = new CheckpointTensors(checkpoint.tensors, quantization, files, adapter);
  const { name, registration, conclusion } = findClass(checkpoint.config, tensors, known);
  const { family } = registration;
  const config = textConfig(checkpoint.config);
  const common = parseCommon(config);
  const trunk = family.build(config, tensors);
  const [vocabularySize = 0] = tensors.find(trunk.embedding).shape;
  const head = registration.head(tensors, trunk.hidden, config);
  const names = head.attributes === undefined ? undefined : attributeNames(registration, head.attributes);
  const labelNames = readLabelNames(common, head.labels);
  const finalTokenId = readFinalToken(common, registration);
  const unusedTensors = tensors.unused();
  const statistics = readStatistics(checkpoint.config);
  const statedActivation = readStatedActivation(checkpoint.config);
  return {
    name,
    spec: { stages: [...trunk.stages, head.stage], reference: referenceOps() },
    dtype: configDtype(common) ?? storedDtype(tensors, trunk.embedding),
    vocabularySize,
    ...(trunk.maxPositions !== undefined && { maxPositions: trunk.maxPositions }),
    ...(trunk.positionTable !== undefined && { positionTable: trunk.positionTable }),
    pooling: { ...registration.pooling, padTokenId: padTokenId(common, family) },
    inputFormat: family.classifier.inputFormat,
    causal: trunk.causal,
    tokenFields: trunk.tokenFields ?? {},
    labels: head.labels,
    ...(labelNames && { labelNames }),
    ...(names && { attributeNames: names }),
    ...(finalTokenId !== undefined && { finalTokenId }),
    unusedTensors,
    warnings: [
      ...(conclusion === undefined ? [] : [conclusion]),
      ...biasNotAdded(family.classifier.module, unusedTensors),
    ],
    ...(statistics && { statistics }),
    ...(statedActivation !== undefined && { statedActivation }),
    ropeClass: (rowLength) => ropeClass(trunk.ropes, rowLength),
  };
}

function storedDtype(tensors: CheckpointTensors, embedding: string): Dtype {
  const dtype = tensors.dtype(embedding);
  if (dtype) return dtype;
  throw configError(`weights of type ${tensors.find(embedding).dtype} have no built-in program.`);
}

/** id2label, unless it holds the names that transformers makes up. */
function readLabelNames(config: CommonConfig, labels: number): string[] | undefined {
  const names = Array.from({ length: labels }, (_, label) => config.id2label?.[label]);
  const given = names.every((name, label) => name !== undefined && name !== `LABEL_${label}`);
  return given ? (names as string[]) : undefined;
}

function readFinalToken(config: CommonConfig, { finalToken }: Registration): number | undefined {
  if (finalToken !== "reward_token_id") return finalToken;
  if (config.reward_token_id == null)
    throw configError(`"reward_token_id" is missing; rows have to end with it.`);
  return config.reward_token_id;
}

function biasNotAdded(classifier: string, unused: readonly string[]): string[] {
  const bias = unused.find((name) => moduleName(name) === `${classifier}.bias`);
  if (bias === undefined) return [];
  return [`The checkpoint's ${bias} is not added: the classifier of transformers has no bias.`];
}

/** An absent key has the family's default; null means that there is none. */
function padTokenId(config: CommonConfig, family: Family): number | null {
  return config.pad_token_id === undefined ? family.padTokenId : config.pad_token_id;
}
