/**
 * Every environment variable that this package reads, parsed in one place. They are listed in docs/install.md.
 *
 * Read at the time of use and never stored: a program may set them after the import.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { RewardModelScoreError } from "./errors.js";

export interface Environment {
  /** `LIBTORCH`: a libtorch or Python torch folder, the one that holds `lib/`. */
  libtorch: string | undefined;
  /** `REWARD_MODEL_SCORE_CACHE`, else `$XDG_CACHE_HOME/reward-model-score`, else `~/.cache/reward-model-score`. */
  cache: string;
  /** `REWARD_MODEL_SCORE_SKIP_VERSION_CHECK`: accept a libtorch of another version than the pinned one. */
  skipVersionCheck: boolean;
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  // The XDG specification: a relative path is invalid and counts as unset.
  const xdg = env.XDG_CACHE_HOME?.startsWith("/") ? env.XDG_CACHE_HOME : join(homedir(), ".cache");
  return {
    libtorch: path(env.LIBTORCH),
    cache: path(env.REWARD_MODEL_SCORE_CACHE) ?? join(xdg, "reward-model-score"),
    skipVersionCheck: flag(env, "REWARD_MODEL_SCORE_SKIP_VERSION_CHECK"),
  };
}

/** An empty variable counts as unset, as in most shells' idiom for clearing one. */
function path(value: string | undefined): string | undefined {
  return value ? resolve(value) : undefined;
}

const FLAGS: Record<string, boolean> = {
  "": false,
  "0": false,
  false: false,
  off: false,
  no: false,
  "1": true,
  true: true,
  on: true,
  yes: true,
};

function flag(env: NodeJS.ProcessEnv, name: string): boolean {
  const value = env[name]?.trim().toLowerCase() ?? "";
  const parsed = FLAGS[value];
  if (parsed === undefined) {
    throw new RewardModelScoreError("ERR_INVALID_OPTION", `${name} is "${env[name]}"; use 1 or 0.`, {
      option: name,
    });
  }
  return parsed;
}
