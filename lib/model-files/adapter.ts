import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import type { Listing } from "./listing.js";

/** Weights that change those of another model, its base. */
export interface Adapter {
  /** The file that gives it away. */
  file: string;
  /** "LORA"; undefined where no file tells. */
  kind: string | undefined;
  /** Name of the base. */
  base: string | undefined;
}

const CONFIG = "adapter_config.json";
/** Of PEFT and of the adapters library: the config may have been left behind. */
const WEIGHTS = ["adapter_model.safetensors", "adapter_model.bin", "pytorch_adapter.bin"];

const text = v.fallback(v.nullish(v.pipe(v.string(), v.maxLength(200))), undefined);
/** PEFT's keys, and `config.architecture` and `model_name` of the adapters library. */
const schema = v.object({
  peft_type: text,
  base_model_name_or_path: text,
  config: v.fallback(v.nullish(v.object({ architecture: text })), undefined),
  model_name: text,
});

/** Kinds that put tokens before a row, or states into its layers, instead of changing weights. */
const NOT_MERGEABLE = /prompt|prefix|P_TUNING|CPT|CARTRIDGE|XLORA|POLY/i;

export async function findAdapter(files: Listing): Promise<Adapter | undefined> {
  if (await files.has(CONFIG)) {
    const config = v.safeParse(schema, parseJson(await files.readText(CONFIG)));
    if (!config.success) return { file: CONFIG, kind: undefined, base: undefined };
    const { peft_type, base_model_name_or_path, config: own, model_name } = config.output;
    return {
      file: CONFIG,
      kind: peft_type ?? own?.architecture ?? undefined,
      base: base_model_name_or_path ?? model_name ?? undefined,
    };
  }
  for (const file of WEIGHTS) if (await files.has(file)) return { file, kind: undefined, base: undefined };
  return undefined;
}

/** Without its adapter a base gives other scores, so it is never scored alone. */
export function adapterError(model: string, adapter: Adapter, besideBase: boolean): RewardModelScoreError {
  const { file, kind, base } = adapter;
  const what = kind === undefined ? "an adapter" : `an adapter of type ${kind}`;
  const whose = base === undefined ? "" : ` for ${JSON.stringify(base)}`;
  const remedy =
    kind !== undefined && NOT_MERGEABLE.test(kind)
      ? "It cannot be merged into the weights of its base: score it in Python."
      : mergeInPython(JSON.stringify(model), besideBase);
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${model} holds ${what}${whose} in ${file}, which transformers applies and this package does not yet: the base ` +
      `alone would give other scores. ${remedy}`,
    { feature: "adapters" },
  );
}

/** peft loads a base with the adapter that lies beside it, and would apply it twice. */
function mergeInPython(model: string, besideBase: boolean): string {
  const peftModel = besideBase
    ? `PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained(${model}), "adapter")`
    : `AutoPeftModelForSequenceClassification.from_pretrained(${model}, num_labels=1)`;
  return (
    (besideBase ? 'Move the adapter\'s files into a folder of their own, "adapter", and merge' : "Merge") +
    ` it in Python: ${peftModel}.merge_and_unload().save_pretrained("merged"); save the tokenizer there too and name ` +
    "that folder. If it is merged already, remove the adapter's files."
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // an adapter all the same
  }
}
