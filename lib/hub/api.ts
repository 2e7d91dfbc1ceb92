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
const entrySchema = v.object({
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

/** The two calls of the Hub's API that loading a model takes. What the Hub answers is data: nothing of it is taken on trust. */
export class HubApi {
  constructor(private readonly options: HubApiOptions) {}

  async commitOf(revision: string): Promise<string> {
    const { connection, model } = this.options;
    const url = `${connection.endpoint}/api/models/${model}/revision/${encodeURIComponent(revision)}?expand=sha`;
    const { answer } = await this.#get(url, revision);
    const info = v.safeParse(infoSchema, answer);
    if (!info.success || !isCommit(info.output.sha)) {
      throw this.#malformed(`names no commit for revision "${revision}"`);
    }
    return info.output.sha;
  }

  async filesOf(commit: string): Promise<RepositoryFile[]> {
    const { connection, model, timeout } = this.options;
    const files: RepositoryFile[] = [];
    const asked = new Set<string>();
    const end = performance.now() + LISTING_PATIENCE * timeout;
    let url: string | undefined =
      `${connection.endpoint}/api/models/${model}/tree/${commit}?recursive=true&expand=false`;
    while (url !== undefined) {
      if (asked.has(url)) throw this.#malformed("comes back to a page of the listing that it had before");
      asked.add(url);
      if (asked.size > MAX_PAGES || performance.now() > end)
        throw this.#malformed("lists files without an end");
      const { answer, next } = await this.#get(url, commit);
      files.push(...this.#filesIn(answer));
      if (files.length > MAX_FILES) throw this.#malformed(`lists more than ${MAX_FILES} files`);
      url = next;
    }
    return files;
  }

  #filesIn(page: unknown): RepositoryFile[] {
    if (!v.is(pageSchema, page)) throw this.#malformed("is not a list of files");
    return page.filter(({ type }) => type === "file").map((entry) => this.#file(entry));
  }

  #file(listed: unknown): RepositoryFile {
    const parsed = v.safeParse(entrySchema, listed);
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

  /** An answer, and the address of the page that follows it. */
  async #get(url: string, revision: string): Promise<{ answer: unknown; next: string | undefined }> {
    const { policy, signal } = this.options;
    return await retrying(() => this.#attempt(url, revision), policy, signal).catch(throwAfterRetries);
  }

  async #attempt(url: string, revision: string): Promise<{ answer: unknown; next: string | undefined }> {
    const { connection, model, timeout, signal } = this.options;
    const response = await connection.send(url, {
      headers: { accept: "application/json" },
      signal,
      idleTimeout: timeout,
    });
    if (response.status !== 200) throw await errorFromResponse(response, connection, { model, revision });
    const text = (await readBody(response, MAX_ANSWER, connection.patience, signal)).toString();
    return { answer: parseJson(text, response.url), next: this.#nextOf(response.headers.link, url) };
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
