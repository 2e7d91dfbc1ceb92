import { RewardModelScoreError } from "../errors.js";
import { parsePythonJson } from "../io/python-json.js";
import { readText } from "../io/regular-file.js";

/** Reads a text that a model has to have. @throws ERR_NOT_FOUND, ERR_IO */
export async function requireText(path: string): Promise<string> {
  const text = await readText(path);
  if (text !== undefined) return text;
  throw new RewardModelScoreError("ERR_NOT_FOUND", `${path} is missing.`, { path });
}

/** Reads and parses a JSON file that a model has to have. @throws ERR_NOT_FOUND, ERR_IO, ERR_MODEL_CONFIG */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(await requireText(path), path);
}

/** Trainers write statistics that are not numbers, as Python has it. @throws ERR_MODEL_CONFIG */
export function parseJson(text: string, path: string): unknown {
  try {
    return parsePythonJson(text);
  } catch (cause) {
    const message = `${path} is not JSON: ${(cause as Error).message}`;
    throw new RewardModelScoreError("ERR_MODEL_CONFIG", message, { path }, { cause });
  }
}
