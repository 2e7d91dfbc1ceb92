import { RewardModelScoreError } from "../errors.js";
import type { WriteRemedies } from "../io/disk.js";
import { printable } from "../printable.js";
import type { Connection, HttpResponse } from "../download/connection.js";
import { readBody } from "./read-body.js";
import { publicUrl } from "../download/public-url.js";
import { parseRetryAfter, TransientError } from "../download/retry.js";

/** Consumes an answer that is not 2xx and says what it means. */
export async function errorFromResponse(
  response: HttpResponse,
  connection: Connection,
  wanted: { model: string; revision: string },
): Promise<RewardModelScoreError | TransientError> {
  const { status, headers } = response;
  const { model, revision } = wanted;
  const url = publicUrl(response.url);
  const said = asOneLine(
    connection.redact(headers["x-error-message"] ?? (await messageOf(response, connection))),
  );
  const code = headers["x-error-code"];
  const page = `${connection.endpoint}/${model}`;

  if (status === 408 || status === 429 || status >= 500) {
    const retryAfter = parseRetryAfter({ retryAfter: headers["retry-after"], rateLimit: headers.ratelimit });
    return new TransientError(`status ${status}${said && `: ${said}`}`, url, retryAfter);
  }
  if (!connection.isHome(response.url)) {
    // A signed address of the storage host: it expires, and the Hub gives another.
    return new TransientError(`status ${status}`, url);
  }
  if (code === "RevisionNotFound") {
    return new RewardModelScoreError(
      "ERR_REVISION_NOT_FOUND",
      `${model} has no branch, tag or commit "${revision}". Its branches are listed on ${page}/tree/main.`,
      wanted,
    );
  }
  if (code === "GatedRepo") {
    return new RewardModelScoreError(
      "ERR_GATED",
      connection.hasToken
        ? `Access to ${model} has to be granted to your account. Ask for it on ${page}.`
        : `${model} asks for access to be granted. Ask for it on ${page}, then set HF_TOKEN or pass a token.`,
      { model, url: page },
    );
  }
  if (code === "EntryNotFound") {
    return new TransientError(`the Hub lists ${url} but does not have it`, url);
  }
  if (said.includes("Invalid credentials")) {
    return new RewardModelScoreError(
      "ERR_UNAUTHORIZED",
      `The Hub does not accept the token. Make a new one in the settings of your account, or remove HF_TOKEN ` +
        `and the token file: public models need none.`,
      { url },
    );
  }
  if (
    code === "RepoNotFound" ||
    status === 401 ||
    status === 404 ||
    said === "Access to this resource is disabled."
  ) {
    const hint = connection.hasToken
      ? "Check the spelling; if it is private, the token may not see it."
      : "Check the spelling; if it is private, set HF_TOKEN or pass a token.";
    return new RewardModelScoreError(
      "ERR_REPOSITORY_NOT_FOUND",
      `There is no model ${model} on ${connection.endpoint}${said === "" ? "" : ` (${said})`}. ${hint}`,
      { model },
    );
  }
  if (status === 403) {
    return new RewardModelScoreError(
      "ERR_UNAUTHORIZED",
      `The Hub refuses access to ${url}${said && ` (${said})`}. The token needs permission to read this repository.`,
      { url },
    );
  }
  return new RewardModelScoreError("ERR_NETWORK", `${url} answered status ${status}${said && `: ${said}`}.`, {
    url,
  });
}

/** What helps when something cannot be written to the cache. */
export const CACHE_REMEDIES: WriteRemedies = {
  full:
    'Free some ("reward-model-score cache list" shows what is cached), or choose another folder with cacheDir or ' +
    "HF_HUB_CACHE.",
  other:
    "The cache has to be a folder that you may write to, with no file or foreign link in it: mend it, or choose " +
    "another folder with cacheDir or HF_HUB_CACHE.",
};

const MAX_ERROR_BODY = 64 << 10;
const MAX_MESSAGE = 300;

async function messageOf(response: HttpResponse, { patience }: Connection): Promise<string> {
  try {
    const text = (await readBody(response, MAX_ERROR_BODY, patience)).toString();
    const message = (JSON.parse(text) as { error?: unknown } | null)?.error;
    return typeof message === "string" ? message : "";
  } catch {
    return ""; // the status says enough
  }
}

/** A server's words inside a sentence of ours. */
function asOneLine(text: string): string {
  return printable(text.slice(0, MAX_MESSAGE).trim().replace(/\s+/g, " "));
}
