/** Wrappers of torch.compile, FSDP, activation checkpointing, Fabric and PEFT, wherever they stand in a name. */
const WRAPPERS = new Set([
  "_orig_mod",
  "_fsdp_wrapped_module",
  "_fpw_module",
  "_checkpoint_wrapped_module",
  "_forward_module",
  "base_layer",
]);

/** Of DDP and DeepSpeed, of PEFT, and of TRL's models with a value head; each may hold another. */
const OUTER = /^(?:module\.|base_model\.model\.|pretrained_model\.)+/;

/** A trunk's own prefix, once too often. */
const REPEATED = /^(?:model\.)+(?=model\.)/;

/** What no trunk has: where it stands below one, the trunk's prefix was put in front of the whole model. */
const HEAD_BELOW_TRUNK = new RegExp(
  "^(?:(?:model|language_model|transformer)\\.)+(?=(?:score|v_head|value_head|regression_head|score_head|classifier|" +
    "regression_layer|reward_transform_matrix|gating|normalizer)(?:\\.|$))",
);

/** PEFT's copy of a module that was trained whole, by the name of its adapter. */
const TRAINED_COPY = /\.modules_to_save\.[^.]+(?=\.)/;

/** The file of a head or an adapter, and a tensor of it. */
const OF_OTHER_FILE = /^(value_head|classifier|adapter):(.*)$/s;

/**
 * The name that a tensor has in the model's own class: trainers that save a wrapped model leave their prefixes in it, and
 * a head that was saved alone may be called no more than "weight".
 */
export function moduleName(tensor: string): string {
  const [, file, own = tensor] = OF_OTHER_FILE.exec(tensor) ?? [];
  if (file !== undefined && file !== "adapter" && /^(?:\d+\.)?(?:weight|bias)$/.test(own))
    return `${file}.${own}`;
  const parts = own.split(".").filter((part) => !WRAPPERS.has(part));
  return parts
    .join(".")
    .replace(OUTER, "")
    .replace(REPEATED, "")
    .replace(HEAD_BELOW_TRUNK, "")
    .replace(TRAINED_COPY, "");
}

/** PEFT's copy of a module from before it was trained whole, which nothing reads. */
export function isOriginalCopy(tensor: string): boolean {
  return tensor.split(".").includes("original_module");
}

/** Whether a tensor is one that an adapter changes. */
export function isBaseLayer(tensor: string): boolean {
  return tensor.split(".").includes("base_layer");
}

/** Whether a tensor was saved by an adapter beside its base's. */
export function isAdapters(tensor: string): boolean {
  return OF_OTHER_FILE.exec(tensor)?.[1] === "adapter";
}

/** Whether a tensor is what an adapter of any kind adds to its base, and no tensor of a model. */
export function isOfAdapter(tensor: string): boolean {
  return /(?:^|\.)(?:lora_[A-Za-z_]+|ia3_l|prompt_encoder|trainable_tokens_[a-z]+|(?:hada|lokr|oft|vera)_\w+)(?:\.|$)/.test(
    tensor,
  );
}
