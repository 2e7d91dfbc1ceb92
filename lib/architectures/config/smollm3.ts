import * as v from "valibot";
import { configError } from "./errors.js";
import { count, parseKeys, type Config } from "./keys.js";

const smolLm3Keys = v.object({
  /** 0 for layers that do not rotate, 1 for those that do. */
  no_rope_layers: v.nullish(v.pipe(v.array(v.picklist([0, 1])), v.maxLength(1024))),
  no_rope_layer_interval: v.nullish(count(1024)),
});

export function parseSmolLm3(config: Config, layers: number): v.InferOutput<typeof smolLm3Keys> {
  const keys = parseKeys(smolLm3Keys, config);
  const given = keys.no_rope_layers?.length;
  if (given !== undefined && given < layers)
    throw configError(`no_rope_layers has ${given} entries for ${layers} layers.`);
  return keys;
}
