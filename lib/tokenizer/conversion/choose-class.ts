import { join } from "node:path";
import * as v from "valibot";
import { readText } from "../../io/regular-file.js";
import { parseJson } from "../../model-files/json.js";
import type { TokenizerConfig } from "../config.js";
import { CLASS_OF_MODEL } from "./classes.js";

/** These name no rules, so that those of the model count. */
const GENERIC = ["PreTrainedTokenizer", "PythonBackend", "TokenizersBackend"];

const ModelConfig = v.looseObject({
  model_type: v.optional(v.string()),
  tokenizer_class: v.nullish(v.string()),
});

export interface ChosenClass {
  /** As transformers calls it, without `Fast`; undefined where nothing says one. */
  name: string | undefined;
  /** Whether the files say it, and it does not only follow from the model's type. */
  isNamed: boolean;
  /** Whether the files say a class that has no rules of its own. */
  isGeneric: boolean;
  modelType: string | undefined;
}

/**
 * The class that a folder names: in tokenizer_config.json, in config.json, or by the type of its model.
 *
 * @throws ERR_MODEL_CONFIG, ERR_IO
 */
export async function chooseClass(directory: string, config: TokenizerConfig): Promise<ChosenClass> {
  const path = join(directory, "config.json");
  const text = await readText(path);
  const parsed = v.safeParse(ModelConfig, text === undefined ? {} : parseJson(text, path));
  const model = parsed.success ? parsed.output : {};
  const said = [config.tokenizer_class, model.tokenizer_class].flatMap((name) =>
    name ? [name.replace(/Fast$/, "")] : [],
  );
  const named = said.find((name) => !GENERIC.includes(name));
  return {
    name: named ?? CLASS_OF_MODEL.get(model.model_type ?? ""),
    isNamed: named !== undefined,
    isGeneric: said.length > 0 && GENERIC.includes(said[0]!),
    modelType: model.model_type,
  };
}
