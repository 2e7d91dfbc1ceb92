import { join } from "node:path";
import { RewardModelScoreError } from "../../errors.js";
import { exists } from "../../io/exists.js";
import type { ChosenClass } from "./choose-class.js";
import { CLASSES } from "./classes.js";

/** Vocabularies in forms that are not read. */
const OTHER_FORMS = ["tekken.json", "tiktoken.model"];

/** Why the tokenizer of a folder without tokenizer.json cannot be made of what it has. */
export async function refusal(
  directory: string,
  { name, modelType }: ChosenClass,
): Promise<RewardModelScoreError> {
  if (!(await exists(directory))) {
    const message = `The tokenizer's directory ${directory} does not exist`;
    return new RewardModelScoreError("ERR_NOT_FOUND", message, { path: directory });
  }
  const files = [...new Set([...CLASSES.values()].flatMap(({ files }) => files))];
  const present = await firstOf(directory, [...files, ...OTHER_FORMS]);
  const path = join(directory, "tokenizer.json");
  if (present === undefined) {
    return new RewardModelScoreError(
      "ERR_TOKENIZER",
      `${directory} has no tokenizer.json; name the directory or repository that has it with the option tokenizer`,
      { path },
    );
  }
  return new RewardModelScoreError(
    "ERR_TOKENIZER",
    `${directory} has ${present} but no tokenizer.json, ${why(name, modelType)}; in Python, AutoTokenizer.from_pretrained("${directory}").save_pretrained("${directory}") writes it, or name another tokenizer with the option tokenizer`,
    { path },
  );
}

function why(name: string | undefined, modelType: string | undefined): string {
  const known = name === undefined ? undefined : CLASSES.get(name);
  if (known !== undefined) return `and ${name} makes its tokenizer of ${known.files.join(" and ")}`;
  if (name !== undefined) {
    return `and its class ${name} is not known here (known are ${[...CLASSES.keys()].join(", ")})`;
  }
  const model = modelType === undefined ? "" : `, nor does model_type ${JSON.stringify(modelType)} tell`;
  return `and neither tokenizer_config.json nor config.json says of which class it is (tokenizer_class)${model}`;
}

async function firstOf(directory: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if (await exists(join(directory, name))) return name;
  return undefined;
}
