import { readFile } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";
import type { RewardModelScoreOptions } from "../options.js";
import type { ModelFlags } from "./model-options.js";

/** On the command line the chat template is a file. */
export async function readModelOptions({
  chatTemplate,
  ...flags
}: ModelFlags): Promise<RewardModelScoreOptions> {
  if (chatTemplate === undefined) return flags;
  try {
    return { ...flags, chatTemplate: await readFile(chatTemplate, "utf8") };
  } catch (cause) {
    const message = `The chat template ${chatTemplate} cannot be read: ${(cause as Error).message}.`;
    throw new RewardModelScoreError("ERR_NOT_FOUND", message, { path: chatTemplate }, { cause });
  }
}
