import { createServer } from "node:http";
import { sendContent } from "./body.mjs";
import { Faults } from "./faults.mjs";
import { Repository } from "./repository.mjs";

/**
 * @typedef {object} RequestRecord
 * @property {"info" | "tree" | "paths-info" | "resolve" | "cdn" | "other"} kind
 * @property {string} method
 * @property {string} url
 * @property {string} [path] the file of the repository
 * @property {string | undefined} range
 * @property {string | undefined} ifRange
 * @property {string | undefined} authorization
 * @property {number} bytes of the body that were handed to the socket
 */

/**
 * A Hub on two hosts of this machine: the API and small files on one, large files on the other.
 *
 * What it answers follows the client libraries: `@huggingface/hub` and Python's `huggingface_hub` both work against it.
 */
export class TestHub {
  /** @type {Map<string, Repository>} */ #repositories = new Map();
  faults = new Faults();
  /** @type {RequestRecord[]} */ requests = [];
  /** Tokens that exist; any other is answered 401. @type {Set<string>} */ tokens = new Set();
  treePageSize = 1000;
  /** Bodies of large files that are under way, and the most that ever were. */
  #open = 0;
  mostOpen = 0;
  endpoint = "";
  cdn = "";
  #hub = createServer((request, response) => void this.#hubRequest(request, response));
  #cdn = createServer((request, response) => void this.#cdnRequest(request, response));

  static async start() {
    const hub = new TestHub();
    hub.endpoint = `http://127.0.0.1:${await listen(hub.#hub, "127.0.0.1")}`;
    hub.cdn = `http://localhost:${await listen(hub.#cdn, "localhost")}`;
    return hub;
  }

  async close() {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  /**
   * @param {string} name
   * @param {Record<string, string | Buffer | import("./content.mjs").Content>} files
   */
  add(name, files) {
    const repository = new Repository(name, files);
    this.#repositories.set(name, repository);
    return repository;
  }

  /** Requests for the bytes of files, and their bytes. @param {string} [path] */
  downloads(path) {
    return this.requests.filter(
      (r) =>
        (r.kind === "cdn" || r.kind === "resolve") &&
        r.method === "GET" &&
        r.bytes > 0 &&
        (!path || r.path === path),
    );
  }

  /** @param {string} [path] */
  bytesOf(path) {
    return this.downloads(path).reduce((sum, request) => sum + request.bytes, 0);
  }

  /** @param {RequestRecord["kind"]} kind @param {import("node:http").IncomingMessage} request @param {string} [path] */
  #record(kind, request, path) {
    /** @type {RequestRecord} */
    const record = {
      kind,
      method: request.method ?? "",
      url: request.url ?? "",
      ...(path === undefined ? {} : { path }),
      range: request.headers.range,
      ifRange: /** @type {string | undefined} */ (request.headers["if-range"]),
      authorization: request.headers.authorization,
      bytes: 0,
    };
    this.requests.push(record);
    return record;
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #hubRequest(request, response) {
    const url = new URL(request.url ?? "/", this.endpoint);
    const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree|paths-info)\/([^/]+))?$/.exec(
      url.pathname,
    );
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const name = api?.[1] ?? file?.[1];
    if (!name) {
      this.#record("other", request);
      error(response, 404, undefined, "Not found");
      return;
    }
    const revision = decodeURIComponent(api?.[3] ?? file?.[2] ?? "main");
    const path = file?.[3] === undefined ? undefined : decodeURIComponent(file[3]);
    const kind = file
      ? "resolve"
      : api?.[2] === "tree"
        ? "tree"
        : api?.[2] === "paths-info"
          ? "paths-info"
          : "info";
    const record = this.#record(kind, request, path);
    const fault = kind === "paths-info" ? undefined : this.faults.take(kind, path);
    if (answeredByFault(response, fault)) return;

    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token !== undefined && !this.tokens.has(token)) {
      error(response, 401, undefined, "Invalid credentials in Authorization header");
      return;
    }
    const repository = this.#repositories.get(name);
    if (!repository || (repository.privateTo && !(token && repository.privateTo.has(token)))) {
      error(response, token ? 404 : 401, token ? "RepoNotFound" : undefined, "Repository not found");
      return;
    }
    const commit = repository.resolve(revision);
    if (commit === undefined) {
      error(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
      return;
    }
    if (fault?.moveBranch) repository.commit(Object.fromEntries(repository.commits.get(commit) ?? []));
    const tree = repository.commits.get(commit) ?? new Map();
    if (kind === "info") {
      json(response, {
        _id: "1",
        id: name,
        sha: commit,
        private: repository.privateTo !== undefined,
        gated: repository.gatedFor ? "manual" : false,
        downloads: 0,
        likes: 0,
        lastModified: "2025-01-01T00:00:00.000Z",
        siblings: [...tree.keys()].map((rfilename) => ({ rfilename })),
      });
    } else if (kind === "tree") {
      this.#tree(response, url, repository, tree);
    } else if (kind === "paths-info") {
      const { paths } = JSON.parse(await text(request));
      json(
        response,
        [...tree]
          .filter(([p]) => paths.includes(p))
          .map(([p, content]) => ({
            ...Repository.entry(p, content),
            lastCommit: { id: commit, title: "commit", date: "2025-01-01T00:00:00.000Z" },
          })),
      );
    } else {
      await this.#resolve(request, response, { repository, commit, path: path ?? "", token, fault, record });
    }
  }

  /**
   * @param {import("node:http").ServerResponse} response
   * @param {URL} url
   * @param {Repository} repository
   * @param {Map<string, import("./content.mjs").Content>} tree
   */
  #tree(response, url, repository, tree) {
    const entries = [...tree].map(([path, content]) => Repository.entry(path, content));
    const all = [...entries, ...repository.forged.map((forged) => ({ type: "file", ...forged }))];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const next = from + this.treePageSize;
    if (next < all.length) {
      url.searchParams.set("cursor", String(next));
      response.setHeader("Link", `<${url.href}>; rel="next"`);
    }
    json(response, all.slice(from, next));
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   * @param {{ repository: Repository, commit: string, path: string, token: string | undefined,
   *   fault: import("./faults.mjs").Fault | undefined, record: RequestRecord }} what
   */
  async #resolve(request, response, { repository, commit, path, token, fault, record }) {
    response.setHeader("X-Repo-Commit", commit);
    if (repository.gatedFor && !(token && repository.gatedFor.has(token))) {
      error(response, token ? 403 : 401, "GatedRepo", `Access to model ${repository.name} is restricted.`);
      return;
    }
    const content = repository.commits.get(commit)?.get(path);
    if (!content) {
      error(response, 404, "EntryNotFound", "Entry not found");
      return;
    }
    if (!Repository.isLfs(path)) {
      await sendContent(request, response, content, {
        etag: content.gitOid,
        fault,
        sent: (bytes) => (record.bytes += bytes),
      });
      return;
    }
    const location = `${this.cdn}/${repository.name}/${commit}/${path}?X-Signature=secret-signature`;
    response
      .writeHead(302, {
        Location: location,
        "X-Linked-Etag": `"${content.sha256}"`,
        "X-Linked-Size": String(content.size),
        "Accept-Ranges": "bytes",
      })
      .end();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #cdnRequest(request, response) {
    const url = new URL(request.url ?? "/", this.cdn);
    const [, owner, name, commit, ...rest] = decodeURIComponent(url.pathname).split("/");
    const path = rest.join("/");
    const record = this.#record("cdn", request, path);
    const fault = this.faults.take("cdn", path);
    if (answeredByFault(response, fault)) return;
    const content = this.#repositories
      .get(`${owner}/${name}`)
      ?.commits.get(commit ?? "")
      ?.get(path);
    if (!content || url.searchParams.get("X-Signature") !== "secret-signature") {
      error(response, 403, undefined, "AccessDenied");
      return;
    }
    this.mostOpen = Math.max(this.mostOpen, (this.#open += 1));
    await sendContent(request, response, content, {
      etag: `cdn-${content.sha256.slice(0, 16)}`,
      fault,
      sent: (bytes) => (record.bytes += bytes),
    }).finally(() => (this.#open -= 1));
  }
}

/** @param {import("node:http").ServerResponse} response @param {import("./faults.mjs").Fault | undefined} fault */
function answeredByFault(response, fault) {
  if (fault?.redirect !== undefined) {
    response.writeHead(302, { Location: fault.redirect }).end();
    return true;
  }
  if (fault?.status === undefined) return false;
  response.writeHead(fault.status, { "Content-Type": "application/json", ...fault.headers });
  response.end(
    typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body ?? { error: "injected" }),
  );
  return true;
}

/** @param {import("node:http").ServerResponse} response @param {unknown} value */
function json(response, value) {
  response.writeHead(200, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify(value));
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {string | undefined} code
 * @param {string} message
 */
function error(response, status, code, message) {
  if (code) response.setHeader("X-Error-Code", code);
  response.setHeader("X-Error-Message", message);
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8" });
  response.end(JSON.stringify({ error: message }));
}

/** @param {import("node:http").IncomingMessage} request */
async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** @param {import("node:http").Server} server @param {string} host @returns {Promise<number>} */
function listen(server, host) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () =>
      resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port),
    );
  });
}
