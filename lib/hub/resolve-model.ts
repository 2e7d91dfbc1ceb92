import pLimit from "p-limit";
import { readHubEnvironment, type HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { requireSpace, writeError } from "../io/disk.js";
import { requireTextSize } from "../io/regular-file.js";
import { requireText } from "../model-files/json.js";
import { connectToHub } from "./connect.js";
import { fileSource } from "./file-source.js";
import { HubApi, type RepositoryFile } from "./api.js";
import { RepositoryCache } from "./cache.js";
import type { Connection } from "../download/connection.js";
import { CACHE_REMEDIES } from "./errors.js";
import { CONNECTIONS } from "../download/download-file.js";
import { fetchBlob } from "./fetch-blob.js";
import { Hasher } from "../download/hasher.js";
import { findLocal, planFrom, type LocalSnapshot, type Wanted } from "./local.js";
import { isCommit, requireNames } from "./names.js";
import { PartialFile } from "../download/partial-file.js";
import type { Plan } from "./plan.js";
import { ProgressCounter, type DownloadProgress } from "./progress.js";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "../download/retry.js";
import { findToken } from "./token.js";

export interface ResolveModelOptions {
  /** `owner/name` on the Hub. */
  model: string;
  /** Branch, tag, commit or `refs/pr/N`. Default `"main"`. */
  revision?: string | undefined;
  /** Default: `HF_TOKEN`, else the token file of the Hugging Face client. */
  token?: string | undefined;
  /** Default: as `huggingface_hub`, `HF_HUB_CACHE` or `~/.cache/huggingface/hub`. */
  cacheDir?: string | undefined;
  /** No request at all; also with `HF_HUB_OFFLINE`. */
  localFilesOnly?: boolean | undefined;
  /** Fetch a TorchScript archive where the repository has no other form of the model. */
  trustRemoteCode?: boolean | undefined;
  /** `"tokenizer"`: only the tokenizer's files and the chat template. `"adapter"`: only the adapter, with its tokenizer. */
  only?: "tokenizer" | "adapter" | undefined;
  /** Stops at once; what has arrived is kept for the next call. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

export interface ResolvedModel {
  /** The snapshot's folder. It may hold more files than were asked for, when another client put them there. */
  directory: string;
  commit: string;
  /** In which form the weights are there; undefined with `only: "tokenizer"`. */
  form: Plan["form"] | undefined;
  /** Why the Hub could not be asked for the newest commit, so that the cached one was taken. */
  staleBecause?: RewardModelScoreError;
}

/** Finds a model's files: in the cache, else on the Hub, from where only what loading needs is fetched. */
export async function resolveModel(
  options: ResolveModelOptions,
  env: HubEnvironment = readHubEnvironment(),
  policy: RetryPolicy = DEFAULT_RETRY_POLICY,
): Promise<ResolvedModel> {
  const { signal, only } = options;
  const { model, revision } = requireNames(options);
  signal?.throwIfAborted();
  const wanted: Wanted = { only, trustRemoteCode: options.trustRemoteCode ?? false };
  const cache = new RepositoryCache(options.cacheDir ?? env.cacheDir, model, !env.disableSymlinks);

  const local = await findLocal(cache, revision, wanted);
  if (env.offline || options.localFilesOnly) return offline(local, options, revision);
  if (local && local.missing === undefined && local.certain && isCommit(revision)) return found(local);

  await using connection = connectToHub(env, await findToken(options.token, env));
  const usable = local !== undefined && local.missing === undefined;
  // With a copy at hand, an unreachable Hub is not worth a long wait.
  const patience = usable ? { ...policy, attempts: Math.min(policy.attempts, 2) } : policy;
  const ask = new HubApi({ connection, model, policy: patience, timeout: env.apiTimeout, signal });
  let commit: string;
  try {
    commit = await ask.commitOf(revision);
  } catch (error) {
    if (!usable || !RewardModelScoreError.is(error) || error.code === "ERR_REVISION_NOT_FOUND") throw error;
    return { ...found(local), staleBecause: error };
  }
  const api = new HubApi({ connection, model, policy, timeout: env.apiTimeout, signal });
  const files = (await cache.treeOf(commit)) ?? (await api.filesOf(commit));
  const download = new SnapshotDownload(options, { env, policy, connection, cache, commit, files });
  const form = await download.run(wanted);
  // Last: the name of a branch never leads to a snapshot that lacks something.
  await cache.writeRef(revision, commit).catch(() => {}); // a cache that cannot be written to still loads
  return { directory: cache.snapshot(commit), commit, form };
}

class SnapshotDownload {
  readonly #byPath: Map<string, RepositoryFile>;

  constructor(
    private readonly options: ResolveModelOptions,
    private readonly hub: {
      env: HubEnvironment;
      policy: RetryPolicy;
      connection: Connection;
      cache: RepositoryCache;
      commit: string;
      files: RepositoryFile[];
    },
  ) {
    this.#byPath = new Map(hub.files.map((file) => [file.path, file]));
  }

  async run(wanted: Wanted): Promise<Plan["form"] | undefined> {
    const { cache, commit, files } = this.hub;
    const names = files.map((file) => file.path);
    const plan = await planFrom(cache.model, names, wanted, async (path) => {
      requireTextSize(path, this.#file(path).size);
      await this.#fetch([path], undefined);
      return await requireText(await this.#whereIs(path));
    });
    await this.#fetch(plan.paths, this.options.onProgress);
    await this.#link(plan.paths, commit);
    return plan.form;
  }

  async #fetch(paths: string[], onProgress: ResolveModelOptions["onProgress"]): Promise<void> {
    const { env, policy, connection, cache, commit } = this.hub;
    // A content that has two names is fetched once.
    const files = [...new Map(paths.map((path) => [this.#file(path).oid, this.#file(path)])).values()];
    const missing = await this.#bytesToFetch(files);
    if (missing > 0) await requireSpace(cache.cacheDir, missing, CACHE_REMEDIES);
    const stop = new AbortController();
    const { signal: outer } = this.options;
    const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
    const total = files.reduce((sum, file) => sum + file.size, 0);
    await using hasher = new Hasher();
    const context = {
      cache,
      commit,
      policy,
      hasher,
      buffers: connection.buffers,
      progress: new ProgressCounter(cache.model, total, onProgress),
      limit: pLimit(CONNECTIONS),
      sourceOf: ({ path, size }: RepositoryFile) =>
        fileSource({
          connection,
          model: cache.model,
          commit,
          path,
          size,
          idleTimeout: env.downloadTimeout,
        }),
      signal,
    };
    // The first failure stops the rest, and all are waited for.
    const ends = await Promise.allSettled(
      files.map((file) =>
        fetchBlob(context, file).catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    if (ends.some((end) => end.status === "rejected")) throw signal.reason;
  }

  async #link(paths: string[], commit: string): Promise<void> {
    const { cache } = this.hub;
    const files = paths.map((path) => this.#file(path));
    const present = await Promise.all(files.map((file) => cache.has(commit, file)));
    if (present.every(Boolean)) return;
    try {
      await cache.link(commit, files);
    } catch (error) {
      throw writeError(error, cache.snapshot(commit), CACHE_REMEDIES);
    }
  }

  async #bytesToFetch(files: RepositoryFile[]): Promise<number> {
    const { cache, commit } = this.hub;
    let bytes = 0;
    for (const file of files) {
      if (await cache.has(commit, file)) continue;
      bytes += file.size - (await PartialFile.bytesKept(cache.blob(file.oid), file.size));
    }
    return bytes;
  }

  async #whereIs(path: string): Promise<string> {
    const { cache, commit } = this.hub;
    const file = this.#file(path);
    return (await cache.has(commit, file)) ? `${cache.snapshot(commit)}/${path}` : cache.blob(file.oid);
  }

  #file(path: string): RepositoryFile {
    return this.#byPath.get(path)!;
  }
}

function found({ directory, commit, form }: LocalSnapshot): ResolvedModel {
  return { directory, commit, form };
}

function offline(
  local: LocalSnapshot | undefined,
  options: ResolveModelOptions,
  revision: string,
): ResolvedModel {
  if (local && local.missing === undefined) return found(local);
  // Neither is missing on this machine: no network would mend it.
  if (RewardModelScoreError.is(local?.missing, "ERR_UNTRUSTED_CODE")) throw local.missing;
  if (RewardModelScoreError.is(local?.missing, "ERR_NOT_SUPPORTED")) throw local.missing;
  const why = options.localFilesOnly ? "localFilesOnly is set" : "HF_HUB_OFFLINE is set";
  const what =
    local === undefined
      ? `revision "${revision}" is not in the cache`
      : `the cached copy is incomplete (${typeof local.missing === "string" ? `${local.missing} is missing` : local.missing?.message})`;
  throw new RewardModelScoreError(
    "ERR_OFFLINE",
    `${options.model} cannot be fetched because ${why}, and ${what}. ` +
      `Run "reward-model-score download ${options.model}" with a network first.`,
    { model: options.model },
  );
}
