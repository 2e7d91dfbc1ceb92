import { listFiles, modelInfo } from "@huggingface/hub";
import { RewardModelScoreError } from "../errors.js";
import { isRelativeName } from "../io/relative-name.js";
import { networkFailure, type HubConnection } from "./connection.js";
import { errorFromResponse, throwAfterRetries } from "./errors.js";
import { publicUrl } from "./public-url.js";
import { isCommit, isObjectId } from "./names.js";
import { retrying, type RetryPolicy } from "./retry.js";

/** A file of a repository at a commit. */
export interface RepositoryFile {
  path: string;
  size: number;
  /** sha256 of a file in LFS, git object id of any other: the name of its blob in the cache. */
  oid: string;
}

export interface HubApiOptions {
  connection: HubConnection;
  model: string;
  policy: RetryPolicy;
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** The two calls of the Hub's API that loading a model takes. */
export class HubApi {
  constructor(private readonly options: HubApiOptions) {}

  async commitOf(revision: string): Promise<string> {
    const { connection, model } = this.options;
    const info = await modelInfo({
      name: model,
      revision,
      hubUrl: connection.endpoint,
      additionalFields: ["sha"],
      fetch: this.#fetch(revision),
    });
    if (!isCommit(info.sha)) {
      throw this.#malformed(`names no commit for revision "${revision}"`);
    }
    return info.sha;
  }

  async filesOf(commit: string): Promise<RepositoryFile[]> {
    const { connection, model } = this.options;
    const files: RepositoryFile[] = [];
    const listing = listFiles({
      repo: { type: "model", name: model },
      revision: commit,
      recursive: true,
      hubUrl: connection.endpoint,
      fetch: this.#fetch(commit),
    });
    for await (const entry of listing) {
      if (entry.type !== "file") continue;
      const file = {
        path: entry.path,
        size: entry.lfs?.size ?? entry.size,
        oid: entry.lfs?.oid ?? entry.oid ?? "",
      };
      if (!isRelativeName(file.path)) {
        throw this.#malformed(
          `lists a file named ${JSON.stringify(file.path)}, which would leave the cache folder`,
        );
      }
      if (!isObjectId(file.oid) || !Number.isSafeInteger(file.size) || file.size < 0) {
        throw this.#malformed(`lists ${file.path} without a valid size and hash`);
      }
      files.push(file);
    }
    return files;
  }

  #malformed(what: string): RewardModelScoreError {
    const { connection, model } = this.options;
    const url = publicUrl(`${connection.endpoint}/api/models/${model}`);
    return new RewardModelScoreError(
      "ERR_NETWORK",
      `The Hub's answer for ${model} ${what}. Nothing was downloaded.`,
      {
        url,
      },
    );
  }

  /** A `fetch` for the client library: retried, with the token where it belongs, and failing with this package's errors. */
  #fetch(revision: string): typeof fetch {
    return async (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      const { policy, signal } = this.options;
      return await retrying(() => this.#attempt(url, init, revision), policy, signal).catch(
        throwAfterRetries,
      );
    };
  }

  async #attempt(url: string, init: RequestInit | undefined, revision: string): Promise<Response> {
    const { connection, model, timeout, signal } = this.options;
    const response = await connection.send(url, {
      headers: Object.fromEntries(new Headers(init?.headers)),
      signal,
      idleTimeout: timeout,
    });
    if (response.status !== 200) throw await errorFromResponse(response, connection, { model, revision });
    let body: ArrayBuffer;
    try {
      body = await response.body.arrayBuffer();
      JSON.parse(new TextDecoder().decode(body));
    } catch (error) {
      throw networkFailure(error, response.url, signal); // cut off, or a captive portal's page
    }
    const link = response.headers.link;
    return new Response(body, { status: 200, ...(link !== undefined && { headers: { link } }) });
  }
}
