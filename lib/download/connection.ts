import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from "undici";
import type { ProxyEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { publicUrl } from "./public-url.js";
import { ReceiveBuffers } from "./receive-buffers.js";
import { TransientError } from "./retry.js";

export interface HttpRequest {
  method?: "GET" | "HEAD" | "POST";
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which the request counts as failed. */
  idleTimeout: number;
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string | undefined>;
  body: Dispatcher.ResponseData["body"];
  /** Where the answer came from, after redirects. */
  url: string;
}

/** In timeouts. */
const ANSWER_PATIENCE = 6;
const MAX_REDIRECTS = 10;
const MAX_REDIRECT_BODY = 64 << 10;
const MAX_CONNECTIONS_PER_HOST = 16;

export interface ConnectionOptions {
  /** Address of the server that is asked first: a valid one. */
  endpoint: string;
  /** Sent to that server alone. */
  token?: string | undefined;
  proxy: ProxyEnvironment;
  /** Milliseconds until a server counts as one that does not answer. */
  timeout: number;
}

/**
 * Sends requests: through a proxy where the environment names one, with the token to the server's own origin only, and
 * following redirects itself so that the token stays behind when another host is next.
 */
export class Connection implements AsyncDisposable {
  /** The address of the server, fit for messages: without credentials, and without a slash at the end. */
  readonly endpoint: string;
  readonly #origin: string;
  readonly #token: string | undefined;
  readonly #dispatcher: Dispatcher;
  /** Milliseconds that a short answer may take from its first byte to the last, however slowly it goes on. */
  readonly patience: number;
  /** Where the bytes of answers are until they are released. */
  readonly buffers = new ReceiveBuffers();

  constructor({ endpoint, token, proxy, timeout }: ConnectionOptions) {
    this.endpoint = publicUrl(endpoint).replace(/\/+$/, "");
    this.#origin = new URL(endpoint).origin;
    this.#token = token;
    this.patience = ANSWER_PATIENCE * timeout;
    const settings = {
      connections: MAX_CONNECTIONS_PER_HOST,
      connect: this.buffers.connector({ timeout }),
    };
    this.#dispatcher = proxy.http || proxy.https ? throughProxy(proxy, settings) : new Agent(settings);
  }

  /** One attempt. Throws TransientError when the network fails, the signal's reason when aborted. */
  async send(url: string, options: HttpRequest): Promise<HttpResponse> {
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

  isHome(url: string): boolean {
    return new URL(url).origin === this.#origin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #sendOnce(url: URL, options: HttpRequest): Promise<HttpResponse> {
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

function throughProxy(proxy: ProxyEnvironment, settings: EnvHttpProxyAgent.Options): Dispatcher {
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
