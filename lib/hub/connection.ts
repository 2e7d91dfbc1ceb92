import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from "undici";
import type { HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "../io/format.js";
import { publicUrl } from "./public-url.js";
import { ReceiveBuffers } from "./receive-buffers.js";
import { TransientError } from "./retry.js";

export interface HubRequest {
  method?: "GET" | "HEAD" | "POST";
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which the request counts as failed. */
  idleTimeout: number;
}

export interface HubResponse {
  status: number;
  headers: Record<string, string | undefined>;
  body: Dispatcher.ResponseData["body"];
  /** Where the answer came from, after redirects. */
  url: string;
}

/** In timeouts of the API. */
const ANSWER_PATIENCE = 6;
const MAX_REDIRECTS = 10;
const MAX_REDIRECT_BODY = 64 << 10;
const MAX_CONNECTIONS_PER_HOST = 16;

/**
 * Sends requests: through a proxy where the environment names one, with the token to the Hub's own origin only, and
 * following redirects itself so that the token stays behind when another host is next.
 */
export class HubConnection implements AsyncDisposable {
  /** The address of the Hub, fit for messages: without credentials, and without a slash at the end. */
  readonly endpoint: string;
  readonly #origin: string;
  readonly #token: string | undefined;
  readonly #dispatcher: Dispatcher;
  /** Milliseconds that a short answer may take from its first byte to the last, however slowly it goes on. */
  readonly patience: number;
  /** Where the bytes of answers are until they are released. */
  readonly buffers = new ReceiveBuffers();

  constructor(env: Pick<HubEnvironment, "endpoint" | "proxy" | "apiTimeout">, token: string | undefined) {
    const endpoint = URL.canParse(env.endpoint) ? new URL(env.endpoint) : undefined;
    if (!endpoint || !/^https?:$/.test(endpoint.protocol)) {
      throw new RewardModelScoreError(
        "ERR_INVALID_OPTION",
        `HF_ENDPOINT is "${publicUrl(env.endpoint)}"; use the address of a Hub, such as https://huggingface.co.`,
        { option: "HF_ENDPOINT" },
      );
    }
    this.endpoint = publicUrl(endpoint).replace(/\/+$/, "");
    this.#origin = endpoint.origin;
    this.#token = token;
    this.patience = ANSWER_PATIENCE * env.apiTimeout;
    const settings = {
      connections: MAX_CONNECTIONS_PER_HOST,
      connect: this.buffers.connector({ timeout: env.apiTimeout }),
    };
    this.#dispatcher =
      env.proxy.http || env.proxy.https ? throughProxy(env.proxy, settings) : new Agent(settings);
  }

  /** One attempt. Throws TransientError when the network fails, the signal's reason when aborted. */
  async send(url: string, options: HubRequest): Promise<HubResponse> {
    let at = new URL(url);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const response = await this.#sendOnce(at, options);
      const location = [301, 302, 303, 307, 308].includes(response.status)
        ? response.headers.location
        : undefined;
      if (location === undefined) return response;
      // Read to its end, so that the connection can be used again, if that is near.
      const soon = AbortSignal.timeout(this.patience);
      await response.body.dump({ limit: MAX_REDIRECT_BODY, signal: soon }).catch(() => {});
      options.signal?.throwIfAborted();
      const next = nextAddress(location, at);
      if (!next) {
        throw new RewardModelScoreError(
          "ERR_NETWORK",
          `${publicUrl(at)} redirects to an address that is not followed (${publicUrl(location)}).`,
          { url: publicUrl(at) },
        );
      }
      at = next;
    }
    throw new TransientError(`More than ${MAX_REDIRECTS} redirects.`, publicUrl(url));
  }

  /** The text without the token, for messages that a server wrote. */
  redact(text: string): string {
    return this.#token === undefined ? text : text.replaceAll(this.#token, "[token]");
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  isHub(url: string): boolean {
    return new URL(url).origin === this.#origin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #sendOnce(url: URL, options: HubRequest): Promise<HubResponse> {
    options.signal?.throwIfAborted();
    const authorization =
      this.#token !== undefined && url.origin === this.#origin
        ? { authorization: `Bearer ${this.#token}` }
        : {};
    try {
      const response = await request(url, {
        dispatcher: this.#dispatcher,
        method: options.method ?? "GET",
        // Ranges and hashes are those of the file itself, so a compressed answer is of no use.
        headers: {
          "user-agent": "reward-model-score",
          "accept-encoding": "identity",
          ...options.headers,
          ...authorization,
        },
        body: options.body ?? null,
        headersTimeout: options.idleTimeout,
        bodyTimeout: options.idleTimeout,
        ...(options.signal && { signal: options.signal }),
      });
      const headers = Object.fromEntries(
        Object.entries(response.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(", ") : value,
        ]),
      );
      return { status: response.statusCode, headers, body: response.body, url: url.href };
    } catch (error) {
      throw networkFailure(error, url, options.signal);
    }
  }
}

function throughProxy(proxy: HubEnvironment["proxy"], settings: EnvHttpProxyAgent.Options): Dispatcher {
  for (const [name, address] of [
    ["HTTP_PROXY", proxy.http],
    ["HTTPS_PROXY", proxy.https],
  ] as const) {
    if (address === undefined || (/^https?:\/\//i.test(address) && URL.canParse(address))) continue;
    throw invalidProxy(name, address);
  }
  try {
    return new EnvHttpProxyAgent({
      ...settings,
      ...(proxy.http && { httpProxy: proxy.http }),
      ...(proxy.https && { httpsProxy: proxy.https }),
      noProxy: proxy.none ?? "",
    });
  } catch {
    // Without the cause, which may hold the password: percent signs in a name or password that encode nothing.
    throw invalidProxy("HTTP_PROXY or HTTPS_PROXY", proxy.https ?? proxy.http!);
  }
}

function invalidProxy(name: string, address: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `${name} is "${publicUrl(address)}"; use the address of a proxy, such as http://proxy:3128, with "%" and "@" in a ` +
      `password written as %25 and %40.`,
    { option: name },
  );
}

/**
 * The address that a server says comes next, from `from`; undefined where it is none that is followed: of another kind,
 * or one that could be read and changed on the way where `from` could not.
 */
export function nextAddress(address: string, from: URL): URL | undefined {
  if (!URL.canParse(address, from.href)) return undefined;
  const next = new URL(address, from);
  const downgrade = from.protocol === "https:" && next.protocol === "http:";
  return /^https?:$/.test(next.protocol) && !downgrade ? next : undefined;
}

/**
 * The whole body of an answer that says no more than fits into `limit` bytes. Throws TransientError when it does not end
 * within `patience` milliseconds, however slowly it goes on.
 */
export async function readBody(
  { body, url }: HubResponse,
  limit: number,
  patience: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  body.on("error", () => {}); // destroying a body that is under way reports its own end
  const timer = setTimeout(() => body.destroy(new Error(`no end within ${patience / 1000} s`)), patience);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLong(url, limit);
      chunks.push(chunk);
    }
  } catch (error) {
    throw RewardModelScoreError.is(error) ? error : networkFailure(error, url, signal);
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}

function tooLong(url: string, limit: number): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NETWORK",
    `${publicUrl(url)} answers with more than ${formatBytes(limit)}, which no answer of a Hub's API has. Check HF_ENDPOINT.`,
    { url: publicUrl(url) },
  );
}

/** What an error of the transport means: a failure that may pass, one that will not, or the caller's abort. */
export function networkFailure(error: unknown, url: URL | string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  const { code, message } = error as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS/.test(code ?? "")) {
    return new RewardModelScoreError(
      "ERR_NETWORK",
      `The certificate of ${publicUrl(url)} is not trusted (${code}). Behind an inspecting proxy, ` +
        `name its certificate in NODE_EXTRA_CA_CERTS.`,
      { url: publicUrl(url) },
      { cause: error },
    );
  }
  return new TransientError(code ?? message, publicUrl(url), undefined, { cause: error });
}
