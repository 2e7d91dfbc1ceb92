import { RewardModelScoreError } from "../errors.js";

/** What is wrong with a file is told with its path. @throws ERR_TOKENIZER */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = `${path} is damaged: ${(cause as Error).message}`;
    throw new RewardModelScoreError("ERR_TOKENIZER", message, { path }, { cause });
  }
}
