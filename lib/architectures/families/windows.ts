import { configError, unsupported } from "../config/errors.js";
import type { Decoder } from "../decoder.js";

/** The config's window; absent: the class's default; null: none. */
export function windowOr(decoder: Decoder, absent: number): number {
  const { sliding_window } = decoder.config;
  return sliding_window === undefined ? absent : (sliding_window ?? 0);
}

/** Whether config.layer_types gives the layer a window; undefined if the config has no such list. */
export function isSliding(decoder: Decoder, index: number): boolean | undefined {
  const types = decoder.config.layer_types;
  if (!types) return undefined;
  const type = types[index];
  if (type === "sliding_attention") return true;
  if (type === "full_attention") return false;
  if (type === undefined)
    throw configError(`layer_types has ${types.length} entries for ${decoder.layers} layers.`);
  throw unsupported("layer_types", `layers of type "${type}" have no built-in program.`);
}

/** Windows only with use_sliding_window, on the layers that the list or max_window_layers names. */
export function qwenWindow(decoder: Decoder, index: number): number {
  const { use_sliding_window, max_window_layers } = decoder.config;
  const sliding = isSliding(decoder, index) ?? index >= (max_window_layers ?? 28);
  return use_sliding_window && sliding ? windowOr(decoder, 4096) : 0;
}
