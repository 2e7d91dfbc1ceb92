/** Wrappers of torch.compile, FSDP, activation checkpointing and Fabric, wherever they stand in a name. */
const WRAPPERS = new Set([
  "_orig_mod",
  "_fsdp_wrapped_module",
  "_fpw_module",
  "_checkpoint_wrapped_module",
  "_forward_module",
]);

/** Of DDP and DeepSpeed, of PEFT, and of TRL's models with a value head; each may hold another. */
const OUTER = /^(?:module\.|base_model\.model\.|pretrained_model\.)+/;

/** The name that a tensor has in the model's own class: trainers that save a wrapped model leave their prefixes in it. */
export function moduleName(tensor: string): string {
  const parts = tensor.split(".").filter((part) => !WRAPPERS.has(part));
  return parts.join(".").replace(OUTER, "");
}

/** Whether a tensor is part of an adapter that was saved with its base and not merged into it. */
export function isOfAdapter(tensor: string): boolean {
  return /(?:^|\.)(?:base_layer|modules_to_save|lora_[A-Za-z_]+|ia3_l|prompt_encoder)(?:\.|$)/.test(tensor);
}
