import { unsupported } from "./config/errors.js";

/** Names of activations in configs → in the ops. */
const ACTIVATIONS: Record<string, string> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  quick_gelu: "quick_gelu",
  relu: "relu",
  relu2: "relu2",
  tanh: "tanh",
};

/** @throws ERR_NOT_SUPPORTED, which names the config's key */
export function activationOf(name: string, key: string): string {
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation === undefined) throw unsupported(key, `activation "${name}" has no built-in program.`);
  return activation;
}
