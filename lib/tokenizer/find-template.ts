import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { readText } from "../io/regular-file.js";
import { readChatTemplateJson, type TokenizerConfig } from "./config.js";

/** The folder in which a model keeps further templates, each named by its file. */
const FOLDER = "additional_chat_templates";

export interface FoundTemplate {
  source: string;
  /** The file it is from; undefined for a template that the caller gave. */
  path?: string;
}

/**
 * Finds the chat template as transformers does: chat_template.jinja and the folder of further templates come before
 * the tokenizer's config; chat_template.json is where older processors keep it. `override` is the name of one of the
 * model's templates, or a template.
 */
export async function findChatTemplate(
  directory: string,
  config: TokenizerConfig,
  override?: string,
): Promise<FoundTemplate> {
  const templates = await readTemplates(directory, config);
  const named = templates.get(override ?? "default");
  if (named !== undefined) return named;
  if (override !== undefined) return given(override, templates);
  if (templates.size > 0) {
    throw new RewardModelScoreError(
      "ERR_CHAT_TEMPLATE",
      `${directory} has several chat templates and none is called "default"; name one of ${names(templates)} with the option chatTemplate`,
      { path: directory },
    );
  }
  throw new RewardModelScoreError(
    "ERR_CHAT_TEMPLATE",
    `${directory} has no chat template (looked for chat_template.jinja, chat_template.json and chat_template in tokenizer_config.json); give one with the option chatTemplate, or use inputFormat: "pair" if the model reads a question and an answer without a template`,
    { path: directory },
  );
}

/** A text without any tag is more likely a wrong name than a template that ignores the conversation. */
function given(override: string, templates: Map<string, FoundTemplate>): FoundTemplate {
  if (/\{[{%]/.test(override)) return { source: override };
  const known =
    templates.size === 0 ? "the model has no templates" : `the model's templates are ${names(templates)}`;
  throw new RewardModelScoreError(
    "ERR_CHAT_TEMPLATE",
    `chatTemplate ${JSON.stringify(override)} is neither a Jinja template nor the name of one (${known})`,
    {},
  );
}

function names(templates: Map<string, FoundTemplate>): string {
  return [...templates.keys()].map((name) => `"${name}"`).join(", ");
}

async function readTemplates(
  directory: string,
  config: TokenizerConfig,
): Promise<Map<string, FoundTemplate>> {
  const templates = new Map<string, FoundTemplate>();
  const add = async (name: string, path: string) => {
    const source = await readText(path);
    if (source !== undefined) templates.set(name, { source, path });
  };
  await add("default", join(directory, "chat_template.jinja"));
  for (const file of await list(join(directory, FOLDER))) {
    if (file.endsWith(".jinja")) await add(basename(file, ".jinja"), join(directory, FOLDER, file));
  }
  if (templates.size > 0) return templates;

  const own = config.chat_template;
  const path = join(directory, "tokenizer_config.json");
  if (typeof own === "string") templates.set("default", { source: own, path });
  else for (const { name, template } of own ?? []) templates.set(name, { source: template, path });
  if (templates.size > 0) return templates;

  const legacy = join(directory, "chat_template.json");
  const source = (await readChatTemplateJson(legacy))?.chat_template;
  if (source !== undefined) templates.set("default", { source, path: legacy });
  return templates;
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new RewardModelScoreError(
      "ERR_CHAT_TEMPLATE",
      `The folder ${folder} could not be listed (${(cause as Error).message})`,
      { path: folder },
      { cause },
    );
  }
}
