import { Content } from "./server/content.mjs";

export const MODEL = "owner/model";

/**
 * A model with everything that a repository has and loading does not need.
 *
 * @param {Content} weights
 * @returns {Record<string, string | Buffer | Content>}
 */
export function modelFiles(weights = Content.generated(3_000_000, 1)) {
  return {
    ".gitattributes": "*.safetensors filter=lfs",
    "README.md": "# A model",
    "config.json": '{"model_type": "llama"}',
    "generation_config.json": "{}",
    "tokenizer.json": '{"version": "1.0"}',
    "tokenizer_config.json": '{"eos_token": "</s>"}',
    "chat_template.jinja": "{{ messages }}",
    "model.safetensors": weights,
    "pytorch_model.bin": Content.generated(1_000, 2),
    "model-q4.gguf": Content.generated(1_000, 3),
    "onnx/model.onnx": Content.generated(1_000, 4),
    "training_args.bin": Content.generated(1_000, 5),
    "optimizer.pt": Content.generated(1_000, 6),
    "modeling_custom.py": "import os",
  };
}

/** What of it is needed. */
export const NEEDED = [
  "chat_template.jinja",
  "config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];
