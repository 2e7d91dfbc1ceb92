import { readHubEnvironment, type HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { requireTextSize } from "../io/regular-file.js";
import { connectToHub } from "./connect.js";
import { fileSource } from "./file-source.js";
import { HubApi, type RepositoryFile } from "./api.js";
import type { Connection } from "../download/connection.js";
import { planFrom } from "./local.js";
import { requireNames } from "./names.js";
import type { Plan } from "./plan.js";
import type { ResolveModelOptions } from "./resolve-model.js";
import { DEFAULT_RETRY_POLICY, retrying, throwAfterRetries, type RetryPolicy } from "../download/retry.js";
import { RangeRefused } from "../download/source.js";
import { findToken } from "./token.js";

type RemoteModelOptions = Pick<ResolveModelOptions, "model" | "revision" | "token" | "signal">;

/** A model on the Hub of whose files parts are read. Nothing is kept in the cache. */
export class RemoteModel implements AsyncDisposable {
  readonly #files: Map<string, RepositoryFile>;

  private constructor(
    private readonly options: RemoteModelOptions,
    private readonly hub: {
      env: HubEnvironment;
      policy: RetryPolicy;
      connection: Connection;
      commit: string;
    },
    files: readonly RepositoryFile[],
  ) {
    this.#files = new Map(files.map((file) => [file.path, file]));
  }

  static async open(
    options: RemoteModelOptions,
    env: HubEnvironment = readHubEnvironment(),
    policy: RetryPolicy = DEFAULT_RETRY_POLICY,
  ): Promise<RemoteModel> {
    const { token, signal } = options;
    const { model, revision } = requireNames(options);
    const connection = connectToHub(env, await findToken(token, env));
    try {
      const api = new HubApi({ connection, model, policy, timeout: env.apiTimeout, signal });
      const commit = await api.commitOf(revision);
      const files = await api.filesOf(commit);
      return new RemoteModel(options, { env, policy, connection, commit }, files);
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The files that loading the model would fetch. */
  plan(): Promise<Pick<Plan, "paths"> & { form: Plan["form"] | undefined }> {
    const wanted = { trustRemoteCode: false };
    return planFrom(this.options.model, [...this.#files.keys()], wanted, (path) => this.readText(path));
  }

  async readText(path: string): Promise<string> {
    requireTextSize(path, this.#files.get(path)!.size);
    return (await this.read(path, 0, Infinity)).toString("utf8");
  }

  /** Bytes of a file from `start` on, without those at `end` and behind it. */
  read(path: string, start: number, end: number): Promise<Buffer> {
    const { size } = this.#files.get(path)!;
    const range = { start, end: Math.min(end, size) };
    if (range.end <= start) return Promise.resolve(Buffer.alloc(0));
    const { env, policy, connection, commit } = this.hub;
    const { model, signal = new AbortController().signal } = this.options;
    const source = fileSource({ connection, model, commit, path, size, idleTimeout: env.downloadTimeout });
    const attempt = async () => {
      const chunks: Buffer[] = [];
      await source.read(range, undefined, signal, (chunk) => void chunks.push(chunk));
      return Buffer.concat(chunks);
    };
    return retrying(attempt, policy, signal).catch((error: unknown) => {
      if (!(error instanceof RangeRefused)) return throwAfterRetries(error);
      throw new RewardModelScoreError(
        "ERR_NETWORK",
        `${connection.endpoint} does not serve parts of ${path} of ${model} (${error.message}). Download the model ` +
          `("reward-model-score download ${model}"); from the cache its parts can be read.`,
        { url: connection.endpoint },
        { cause: error },
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub.connection[Symbol.asyncDispose]();
  }
}
