import * as v from "valibot";
import type { Dtype } from "../../native/binding.js";
import { configError } from "./errors.js";
import { parseKeys, type Config } from "./keys.js";

const id = v.nullish(v.pipe(v.number(), v.integer(), v.minValue(-1), v.maxValue(2 ** 31 - 1)));

/** What is read of every model, whatever its trunk and its head. */
const commonKeys = v.object({
  architectures: v.nullish(v.array(v.string())),
  model_type: v.nullish(v.string()),
  dtype: v.nullish(v.string()),
  torch_dtype: v.nullish(v.string()),
  pad_token_id: id,
  reward_token_id: id,
  id2label: v.nullish(v.record(v.string(), v.string())),
});
export type CommonConfig = v.InferOutput<typeof commonKeys>;

export function parseCommon(config: Config): CommonConfig {
  return parseKeys(commonKeys, config);
}

/** A multimodal config gives its text model's part, with the outer one's architectures and labels. */
export function textConfig(json: unknown): Config {
  if (!isObject(json)) throw configError("it is not a JSON object.");
  const inner = isObject(json.text_config) ? json.text_config : json;
  return { ...inner, architectures: json.architectures, id2label: json.id2label };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The dtype that config.json names: "dtype", in older files "torch_dtype". */
export function configDtype(config: CommonConfig): Dtype | undefined {
  const name = (config.dtype ?? config.torch_dtype)?.replace(/^torch\./, "");
  return name === "float32" || name === "bfloat16" || name === "float16" ? name : undefined;
}
