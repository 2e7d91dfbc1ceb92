import { readFile } from "node:fs/promises";
import type { HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";

/**
 * The token to send: the option, else the environment's, else the token file that `hf auth login` writes.
 *
 * It is held by the object that sends requests and nowhere else: no error, log or file may contain it.
 */
export async function findToken(
  option: string | undefined,
  env: HubEnvironment,
): Promise<string | undefined> {
  if (option !== undefined) return clean(option, "token");
  if (env.disableImplicitToken) return undefined;
  return clean(env.token, "HF_TOKEN") ?? clean(await tokenFile(env.tokenPath), env.tokenPath);
}

async function tokenFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // Nobody has logged in, or as another user: public models need no token, so this is no error.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw new RewardModelScoreError(
      "ERR_IO",
      `The token file ${path} cannot be read.`,
      { path },
      { cause: error },
    );
  }
}

function clean(token: string | undefined, source: string): string | undefined {
  const text = token?.trim();
  if (!text) return undefined;
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `The token from ${source} has characters that no token has. Copy it again from the settings of your account.`,
      { option: "token" },
    );
  }
  return text;
}
