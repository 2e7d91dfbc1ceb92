import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from "undici";
import type { HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
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

const MAX_REDIRECTS = 10;
const MAX_CONNECTIONS_PER_HOST = 16;

/**
 * Sends requests: through a proxy where the environment names one, with the token to the Hub's own origin only, and
 * following redirects itself so that the token stays behind when another host is next.
 */
export class HubConnection implements AsyncDisposable {
  readonly endpoint: string;
  readonly #origin: string;
  readonly #token: string | undefined;
  readonly #dispatcher: Dispatcher;
  /** Where the bytes of answers are until they are released. */
  readonly buffers = new ReceiveBuffers();

  constructor(env: Pick<HubEnvironment, "endpoint" | "proxy" | "apiTimeout">, token: string | undefined) {
    const endpoint = URL.canParse(env.endpoint) ? new URL(env.endpoint) : undefined;
    if (!endpoint || !/^https?:$/.test(endpoint.protocol)) {
      throw new RewardModelScoreError(
        "ERR_INVALID_OPTION",
        `HF_ENDPOINT is "${env.endpoint}"; use the address of a Hub, such as https://huggingface.co.`,
        { option: "HF_ENDPOINT" },
      );
    }
    this.endpoint = env.endpoint;
    this.#origin = endpoint.origin;
    this.#token = token;
    const settings = {
      connections: MAX_CONNECTIONS_PER_HOST,
      connect: this.buffers.connector({ timeout: env.apiTimeout }),
    };
    this.#dispatcher =
      env.proxy.http || env.proxy.https
        ? new EnvHttpProxyAgent({
            ...settings,
            ...(env.proxy.http && { httpProxy: env.proxy.http }),
            ...(env.proxy.https && { httpsProxy: env.proxy.https }),
            noProxy: env.proxy.none ?? "",
          })
        : new Agent(settings);
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
      await response.body.dump();
      const next = URL.canParse(location, at.href) ? new URL(location, at) : undefined;
      if (!next || !/^https?:$/.test(next.protocol) || isDowngrade(at, next)) {
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

/** Whether the next address would be read and changed on the way, where this one was not. */
function isDowngrade(from: URL, to: URL): boolean {
  return from.protocol === "https:" && to.protocol === "http:";
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
