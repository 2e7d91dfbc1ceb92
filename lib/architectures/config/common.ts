import * as v from "valibot";
import type { Dtype } from "../../native/binding.js";
import { configError, unsupported } from "./errors.js";
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

/**
 * A multimodal config gives its text model's part, with the outer one's architectures and labels.
 *
 * @throws ERR_NOT_SUPPORTED for quantized weights
 */
export function textConfig(json: unknown): Config {
  if (!isObject(json)) throw configError("it is not a JSON object.");
  const inner = isObject(json.text_config) ? json.text_config : json;
  const method = quantizationMethod([json.quantization_config, inner.quantization_config]);
  if (method !== undefined) {
    throw unsupported(
      "quantization",
      `the weights are quantized (quantization_config, ${method}); use a checkpoint in float32, bfloat16 or float16.`,
    );
  }
  return { ...inner, architectures: json.architectures, id2label: json.id2label };
}

/**
 * How the weights are quantized: by the first config that says anything, as transformers has it. Configs that were left
 * behind when float weights were made of quantized ones say nothing: those of GGUF files, whose weights are in such a
 * file or are not quantized, and those of bitsandbytes without a number of bits.
 */
function quantizationMethod(configs: readonly unknown[]): string | undefined {
  const config = configs.find((each) => each && !(isObject(each) && Object.keys(each).length === 0));
  if (config === undefined) return undefined;
  if (!isObject(config)) return "of an unknown kind";
  const { quant_method: method, load_in_4bit: in4Bit, load_in_8bit: in8Bit } = config;
  if (in4Bit || in8Bit) return `bitsandbytes in ${in4Bit ? 4 : 8} bits`;
  if (method === "gguf" || method === "bitsandbytes") return undefined;
  return typeof method === "string" ? method : "of an unknown kind";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The dtype that config.json names: "dtype", in older files "torch_dtype". */
export function configDtype(config: CommonConfig): Dtype | undefined {
  const name = (config.dtype ?? config.torch_dtype)?.replace(/^torch\./, "");
  return name === "float32" || name === "bfloat16" || name === "float16" ? name : undefined;
}
