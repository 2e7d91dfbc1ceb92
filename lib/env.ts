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
  /** `REWARD_MODEL_SCORE_ADDON`: the folder of another build of the addon. */
  addon: string | undefined;
  /** `REWARD_MODEL_SCORE_ROW_TIMEOUT`, in milliseconds: how long a row's template, and its tokenizer, may take. */
  rowTimeout: number;
  /** `REWARD_MODEL_SCORE_CPU`: kernels of a lesser instruction set. The engine, which knows the processor, checks it. */
  cpu: string | undefined;
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  // The XDG specification: a relative path is invalid and counts as unset.
  const xdg = env.XDG_CACHE_HOME?.startsWith("/") ? env.XDG_CACHE_HOME : join(homedir(), ".cache");
  return {
    libtorch: path(env.LIBTORCH),
    cache: path(env.REWARD_MODEL_SCORE_CACHE) ?? join(xdg, "reward-model-score"),
    skipVersionCheck: flag(env, "REWARD_MODEL_SCORE_SKIP_VERSION_CHECK"),
    addon: path(env.REWARD_MODEL_SCORE_ADDON),
    rowTimeout: seconds(env, "REWARD_MODEL_SCORE_ROW_TIMEOUT", 60) * 1000,
    cpu: env.REWARD_MODEL_SCORE_CPU || undefined,
  };
}

/** The variables of CUDA and of launchers such as torchrun. */
export interface DeviceEnvironment {
  /** `LOCAL_RANK`: the index of this process on its host, where a launcher started several. */
  localRank: number | undefined;
  /** `CUDA_VISIBLE_DEVICES`: which GPUs this process sees, by the names that CUDA gives them. */
  cudaVisibleDevices: string[] | undefined;
}

export function readDeviceEnvironment(env: NodeJS.ProcessEnv = process.env): DeviceEnvironment {
  const rank = env.LOCAL_RANK?.trim();
  if (rank && !/^\d+$/.test(rank)) {
    const message = `LOCAL_RANK is "${env.LOCAL_RANK}"; use a whole number from 0 on, or unset it.`;
    throw new RewardModelScoreError("ERR_INVALID_OPTION", message, { option: "LOCAL_RANK" });
  }
  return {
    localRank: rank ? Number(rank) : undefined,
    cudaVisibleDevices: env.CUDA_VISIBLE_DEVICES?.split(",").map((name) => name.trim()),
  };
}

/** The variables of Python's `huggingface_hub`, with its names, defaults and spelling of truth. */
export interface HubEnvironment {
  /** `HF_ENDPOINT`, without a slash at the end. */
  endpoint: string;
  /** `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `$HF_HOME/hub`. */
  cacheDir: string;
  /** `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`. */
  token: string | undefined;
  /** `HF_TOKEN_PATH`, else `$HF_HOME/token`. */
  tokenPath: string;
  /** `HF_HUB_DISABLE_IMPLICIT_TOKEN`: only a token that is passed as an option is sent. */
  disableImplicitToken: boolean;
  /** `HF_HUB_OFFLINE`, else `TRANSFORMERS_OFFLINE`. */
  offline: boolean;
  /** `HF_HUB_DISABLE_SYMLINKS`: snapshots hold the files themselves. */
  disableSymlinks: boolean;
  /** `HF_HUB_DISABLE_PROGRESS_BARS`. */
  disableProgressBars: boolean;
  /** `HF_HUB_ETAG_TIMEOUT`, in milliseconds: how long the API may take to answer. */
  apiTimeout: number;
  /** `HF_HUB_DOWNLOAD_TIMEOUT`, in milliseconds: how long a download may be silent. */
  downloadTimeout: number;
  proxy: ProxyEnvironment;
}

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in lower case first, as curl reads them. */
export interface ProxyEnvironment {
  http: string | undefined;
  https: string | undefined;
  none: string | undefined;
}

export function readProxyEnvironment(env: NodeJS.ProcessEnv = process.env): ProxyEnvironment {
  return {
    http: env.http_proxy || env.HTTP_PROXY || undefined,
    https: env.https_proxy || env.HTTPS_PROXY || undefined,
    none: env.no_proxy || env.NO_PROXY || undefined,
  };
}

export function readHubEnvironment(env: NodeJS.ProcessEnv = process.env): HubEnvironment {
  const location = (value: string | undefined) => path(value && expand(value, env));
  const home =
    location(env.HF_HOME) ?? join(location(env.XDG_CACHE_HOME) ?? join(homedir(), ".cache"), "huggingface");
  return {
    endpoint: (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
    cacheDir: location(env.HF_HUB_CACHE) ?? location(env.HUGGINGFACE_HUB_CACHE) ?? join(home, "hub"),
    token: env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || undefined,
    tokenPath: location(env.HF_TOKEN_PATH) ?? join(home, "token"),
    disableImplicitToken: pythonFlag(env.HF_HUB_DISABLE_IMPLICIT_TOKEN),
    offline: pythonFlag(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    disableSymlinks: pythonFlag(env.HF_HUB_DISABLE_SYMLINKS),
    disableProgressBars: pythonFlag(env.HF_HUB_DISABLE_PROGRESS_BARS),
    apiTimeout: seconds(env, "HF_HUB_ETAG_TIMEOUT", 10) * 1000,
    downloadTimeout: seconds(env, "HF_HUB_DOWNLOAD_TIMEOUT", 10) * 1000,
    proxy: readProxyEnvironment(env),
  };
}

/** `~`, `$NAME` and `${NAME}`, as Python's `expanduser` and `expandvars`; unknown names stay as they are. */
function expand(value: string, env: NodeJS.ProcessEnv): string {
  return value
    .replace(/^~(?=$|[\\/])/, homedir())
    .replace(
      /\$(?:(\w+)|\{([^}]*)\})/g,
      (all, plain?: string, braced?: string) => env[plain ?? braced ?? ""] ?? all,
    );
}

/** `huggingface_hub` takes four words for true and everything else for false. */
function pythonFlag(value: string | undefined): boolean {
  return value !== undefined && ["1", "ON", "YES", "TRUE"].includes(value.toUpperCase());
}

function seconds(env: NodeJS.ProcessEnv, name: string, byDefault: number): number {
  const value = env[name]?.trim();
  if (!value) return byDefault;
  const parsed = Number(value);
  if (!(parsed > 0)) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `${name} is "${value}"; use a number of seconds above 0.`,
      {
        option: name,
      },
    );
  }
  return parsed;
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
