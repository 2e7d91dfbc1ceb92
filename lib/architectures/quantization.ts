import { RewardModelScoreError } from "../errors.js";
import type { TensorInfo } from "../native/binding.js";
import type { BlockSize } from "./float8.js";

/** Of DeepSeek and Qwen, who began with it. */
const DEFAULT_BLOCK: BlockSize = [128, 128];

/** As their authors write them; others are called what the config calls them. */
const NAMES: Readonly<Record<string, string>> = {
  aqlm: "AQLM",
  awq: "AWQ",
  eetq: "EETQ",
  gptq: "GPTQ",
  higgs: "HIGGS",
  hqq: "HQQ",
  mxfp4: "MXFP4",
  nvfp4: "NVFP4",
  vptq: "VPTQ",
};

/** What makes float weights of quantized ones, where transformers has something that does. */
const IN_PYTHON: readonly [method: RegExp, call: string][] = [
  [
    /^bitsandbytes|^HIGGS/,
    "AutoModelForSequenceClassification.from_pretrained(…).dequantize().save_pretrained(…)",
  ],
  [/^MXFP4/, "from_pretrained(…, quantization_config=Mxfp4Config(dequantize=True)).save_pretrained(…)"],
];

/**
 * Tensors that a method stores in the place of a weight, by the ends of their names: all of `has`. What stands first is
 * tried first.
 */
const SIGNATURES: readonly { method: string; has: readonly RegExp[] }[] = [
  { method: "GPTQ", has: [/\.qweight$/, /\.g_idx$/] },
  { method: "AWQ", has: [/\.qweight$/, /\.qzeros$/] },
  { method: "GPTQ or AWQ", has: [/\.qweight$/] },
  {
    method: "bitsandbytes in 4 bits",
    has: [/\.(?:absmax|nested_absmax|quant_map|quant_state\.bitsandbytes__\w+)$/],
  },
  { method: "bitsandbytes in 8 bits", has: [/\.(?:SCB|weight_format)$/] },
  { method: "HQQ", has: [/\.W_q$/] },
  { method: "AQLM", has: [/\.codes$/, /\.codebooks$/] },
  { method: "MXFP4", has: [/_blocks$/, /_scales$/] },
  { method: "NVFP4", has: [/\.weight_packed$/, /\.weight_global_scale$/] },
  { method: "NVFP4", has: [/\.weight_scale_2$/] },
  { method: "compressed-tensors (pack-quantized)", has: [/\.weight_packed$/] },
  { method: "compressed-tensors (sparse)", has: [/\.bitmask$/, /\.compressed$/] },
  { method: "quanto", has: [/\.weight\._data$/] },
  { method: "QuIP#", has: [/\.Qidxs$/] },
  { method: "EETQ", has: [/\.weight_scales$/] },
  { method: "MLX", has: [/\.scales$/, /\.biases$/] },
];

/** What the config says of weights in F8. */
export interface Quantization {
  block: BlockSize;
  /** Every weight in F8 has a scale. */
  scaled: boolean;
}

/**
 * How the weights are stored, by the config or by names of tensors: as floats, or in F8, with or without scales.
 *
 * @param json config.json
 * @throws ERR_NOT_SUPPORTED for every other way, by the name of its method
 */
export function readQuantization(json: unknown, tensors: readonly TensorInfo[]): Quantization {
  const config = isObject(json) ? json : {};
  const declared = readDeclared(config);
  for (const { method, has } of SIGNATURES) {
    const found = has.map((end) => tensors.find(({ name }) => end.test(name))?.name);
    if (found.every((name) => name !== undefined))
      throw quantized(method, `tensor ${JSON.stringify(found[0])}`);
  }
  const scaled = declared !== undefined || tensors.some(({ name }) => /weight_scale(?:_inv)?$/.test(name));
  return { block: declared ?? DEFAULT_BLOCK, scaled };
}

/** Of integers in the place of weights, which no other name gives away. */
export function unknownNumbers({ name, dtype }: TensorInfo): RewardModelScoreError {
  return quantized("a method that is not known", `tensor ${JSON.stringify(name)} is stored in ${dtype}`);
}

/**
 * The blocks of F8 that the first config that says anything declares, as transformers looks for it; undefined for floats.
 * Configs that were left behind when float weights were made of quantized ones say nothing: those of GGUF files, whose
 * weights are in such a file or are not quantized, and those of bitsandbytes without a number of bits.
 */
function readDeclared(config: Record<string, unknown>): BlockSize | undefined {
  if (isObject(config.quantization)) {
    const { bits } = config.quantization;
    throw quantized(typeof bits === "number" ? `MLX in ${bits} bits` : "MLX", "quantization of config.json");
  }
  const inner = isObject(config.text_config) ? config.text_config : {};
  const given = [config.quantization_config, inner.quantization_config];
  const found = given.find((each) => each && !(isObject(each) && Object.keys(each).length === 0));
  if (found === undefined) return undefined;
  const own = isObject(found) ? found : {};
  const { quant_method: method, load_in_4bit: in4Bit, load_in_8bit: in8Bit } = own;
  if (in4Bit || in8Bit) throw declares(`bitsandbytes in ${in4Bit ? 4 : 8} bits`, method);
  if (method === "gguf" || method === "bitsandbytes") return undefined;
  if (method === "fp8") return asBlock(own.weight_block_size) ?? DEFAULT_BLOCK;
  if (method === "fbgemm_fp8") return DEFAULT_BLOCK;
  if (method === "compressed-tensors") return readCompressed(own);
  throw declares(
    typeof method === "string" ? (NAMES[method] ?? method) : "a method of an unknown kind",
    method,
  );
}

const UNPACKED = ["float-quantized", "naive-quantized", "mixed-precision", "dense"];

/** Floats of 8 bits, not packed. */
function readCompressed({ format, config_groups: groups }: Record<string, unknown>): BlockSize {
  const schemes = Object.values(isObject(groups) ? groups : {}).flatMap((group) =>
    isObject(group) && isObject(group.weights) ? [group.weights] : [],
  );
  const isFloat8 = schemes.every(({ type, num_bits: bits }) => type === "float" && bits === 8);
  const isUnpacked = format == null ? schemes.length > 0 : UNPACKED.includes(format as string);
  if (!isUnpacked || !isFloat8) {
    const kind = typeof format === "string" ? ` (${format})` : "";
    throw declares(`compressed-tensors${kind}`, "compressed-tensors");
  }
  const blocks = schemes.map(({ block_structure: structure }) => asBlock(structure));
  return blocks.find((block) => block !== undefined) ?? DEFAULT_BLOCK;
}

/** [128, 128], or "128x128". */
function asBlock(value: unknown): BlockSize | undefined {
  const sizes = typeof value === "string" ? value.split("x").map(Number) : value;
  if (!Array.isArray(sizes) || sizes.length !== 2) return undefined;
  const [rows, columns] = sizes as unknown[];
  return isSize(rows) && isSize(columns) ? [rows, columns] : undefined;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function declares(method: string, named: unknown): RewardModelScoreError {
  const name = typeof named === "string" ? `, ${JSON.stringify(named)}` : "";
  return quantized(method, `quantization_config of config.json${name}`);
}

function quantized(method: string, told: string): RewardModelScoreError {
  const python = IN_PYTHON.find(([pattern]) => pattern.test(method))?.[1];
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `The weights are quantized with ${method} (${told}), which is not supported. Use the model that they were made ` +
      `from, in float32, bfloat16, float16 or fp8.${python ? ` ${python} makes one in Python.` : ""}`,
    { feature: "quantization" },
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
