import { listFiles, modelInfo } from "@huggingface/hub";
import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import { isRelativeName } from "../io/relative-name.js";
import { nextAddress, type Connection } from "../download/connection.js";
import { errorFromResponse } from "./errors.js";
import { readBody } from "./read-body.js";
import { publicUrl } from "../download/public-url.js";
import { isCommit, isObjectId } from "./names.js";
import { retrying, throwAfterRetries, TransientError, type RetryPolicy } from "../download/retry.js";

/** A file of a repository at a commit. */
export interface RepositoryFile {
  path: string;
  size: number;
  /** sha256 of a file in LFS, git object id of any other: the name of its blob in the cache. */
  oid: string;
}

export interface HubApiOptions {
  connection: Connection;
  model: string;
  policy: RetryPolicy;
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** What is read of the API's answers; whatever else they hold is passed over. */
const infoSchema = v.object({ sha: v.string() });
const sizeSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fileSchema = v.object({
  path: v.string(),
  size: sizeSchema,
  oid: v.optional(v.string()),
  lfs: v.nullish(v.object({ oid: v.string(), size: sizeSchema })),
});
const pageSchema = v.array(v.object({ type: v.string() }));

/** The most bytes of one answer: a page of a thousand files takes half of one MiB. */
const MAX_ANSWER = 8 << 20;
/** Ends of a listing that has none. The Hub itself advises against repositories of more files. */
const MAX_PAGES = 1_000;
const MAX_FILES = 100_000;
/** How long all pages together may take, in timeouts. */
const LISTING_PATIENCE = 60;

/** An answer whose text is JSON, and the address of the page that follows it. */
interface Answer {
  json: unknown;
  next: string | undefined;
}

/**
 * The two calls of the Hub's API that loading a model takes. What the Hub answers is data, and nothing of it is taken on
 * trust: the client library, which believes all of it, is given only what was bounded and checked.
 */
export class HubApi {
  constructor(private readonly options: HubApiOptions) {}

  async commitOf(revision: string): Promise<string> {
    const { connection, model } = this.options;
    const info = await modelInfo({
      name: model,
      revision,
      hubUrl: connection.endpoint,
      additionalFields: ["sha"],
      fetch: this.#fetch(revision, ({ json }) => {
        if (!v.is(infoSchema, json)) throw this.#malformed(`names no commit for revision "${revision}"`);
      }),
    });
    if (!isCommit(info.sha)) throw this.#malformed(`names no commit for revision "${revision}"`);
    return info.sha;
  }

  async filesOf(commit: string): Promise<RepositoryFile[]> {
    const { connection, model, timeout } = this.options;
    const files: RepositoryFile[] = [];
    const asked = new Set<string>();
    const end = performance.now() + LISTING_PATIENCE * timeout;
    const listing = listFiles({
      repo: { type: "model", name: model },
      revision: commit,
      recursive: true,
      hubUrl: connection.endpoint,
      fetch: this.#fetch(commit, ({ json, next }) => {
        if (!v.is(pageSchema, json)) throw this.#malformed("is not a list of files");
        if (next === undefined) return;
        if (asked.has(next)) throw this.#malformed("comes back to a page of the listing that it had before");
        asked.add(next);
        if (asked.size >= MAX_PAGES || performance.now() > end)
          throw this.#malformed("lists files without an end");
      }),
    });
    for await (const entry of listing) {
      if (entry.type !== "file") continue;
      files.push(this.#file(entry));
      if (files.length > MAX_FILES) throw this.#malformed(`lists more than ${MAX_FILES} files`);
    }
    return files;
  }

  #file(listed: unknown): RepositoryFile {
    const parsed = v.safeParse(fileSchema, listed);
    if (!parsed.success) throw this.#malformed("lists a file without a valid name, size and hash");
    const { path, lfs, ...plain } = parsed.output;
    const { size, oid = "" } = lfs ?? plain;
    if (!isRelativeName(path)) {
      throw this.#malformed(`lists a file named ${JSON.stringify(path)}, which would leave the cache folder`);
    }
    if (!isObjectId(oid)) throw this.#malformed(`lists ${path} without a valid hash`);
    return { path, size, oid };
  }

  #malformed(what: string): RewardModelScoreError {
    const { connection, model } = this.options;
    return new RewardModelScoreError(
      "ERR_NETWORK",
      `The Hub's answer for ${model} ${what}. Nothing was downloaded. Check HF_ENDPOINT, or try again later.`,
      { url: `${connection.endpoint}/api/models/${model}` },
    );
  }

  /**
   * A `fetch` for the client library: retried, with the token where it belongs, and failing with this package's errors.
   *
   * @param check throws for an answer that the library is not to see
   */
  #fetch(revision: string, check: (answer: Answer) => void): typeof fetch {
    return async (input) => {
      const url = input instanceof Request ? input.url : String(input);
      const { policy, signal } = this.options;
      const attempt = () => this.#attempt(url, revision);
      const answer = await retrying(attempt, policy, signal).catch(throwAfterRetries);
      check(answer);
      const { json, next } = answer;
      return Response.json(json, next === undefined ? {} : { headers: { link: `<${next}>; rel="next"` } });
    };
  }

  async #attempt(url: string, revision: string): Promise<Answer> {
    const { connection, model, timeout, signal } = this.options;
    const response = await connection.send(url, {
      headers: { accept: "application/json" },
      signal,
      idleTimeout: timeout,
    });
    if (response.status !== 200) throw await errorFromResponse(response, connection, { model, revision });
    const text = (await readBody(response, MAX_ANSWER, connection.patience, signal)).toString();
    return { json: parseJson(text, response.url), next: this.#nextOf(response.headers.link, url) };
  }

  /** The address in a header like `<https://…?cursor=…>; rel="next"`. */
  #nextOf(link: string | undefined, url: string): string | undefined {
    const address = /<([^<>]*)>[^<]*;\s*rel="?next\b/.exec(link ?? "")?.[1];
    if (address === undefined) return undefined;
    const next = nextAddress(address, new URL(url));
    if (next) return next.href;
    throw this.#malformed(`has its next page at an address that is not followed (${publicUrl(address)})`);
  }
}

/** Cut off, or a captive portal's page: it may pass. The parser's own message would quote the server. */
function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TransientError("the answer is not JSON", publicUrl(url));
  }
}
