import { RewardModelScoreError } from "../errors.js";
import { ADAPTER_CONFIG, parseAdapterConfig, type AdapterConfig } from "./adapter-config.js";
import type { Listing } from "./listing.js";

/** The files of a LoRA adapter, which changes the weights of another model, its base. */
export interface Adapter extends AdapterConfig {
  /** Of its tensors; none where the base's file has them too. */
  weights: string[];
}

/** Of PEFT, the first counts. */
const WEIGHTS = ["adapter_model.safetensors", "adapter_model.bin"];
/** Of the adapters library. */
const FOREIGN = "pytorch_adapter.bin";

/** What the names of an adapter's tensors begin with, so that they are not those of its base. */
export const ADAPTER_PREFIX = "adapter:";

/**
 * The adapter among the files of a model.
 *
 * @throws ERR_NOT_SUPPORTED for one that is no LoRA, or whose config is missing; ERR_MODEL_CONFIG
 */
export async function findAdapter(model: string, files: Listing): Promise<Adapter | undefined> {
  const weights: string[] = [];
  for (const file of WEIGHTS) {
    if (weights.length === 0 && (await files.has(file))) weights.push(file);
  }
  if (await files.has(ADAPTER_CONFIG))
    return { ...parseAdapterConfig(await files.readText(ADAPTER_CONFIG), model), weights };
  const file = (await files.has(FOREIGN)) ? FOREIGN : weights[0];
  if (file === undefined) return undefined;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${model} holds an adapter in ${file}, but no ${ADAPTER_CONFIG} that says how it is applied, and the base alone ` +
      "would give other scores. Put its config beside it, or remove the adapter's files if it is merged already.",
    { feature: "adapters" },
  );
}
