import { readdir } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { nextAddress } from "#lib/download/connection.js";
import { publicUrl } from "#lib/download/public-url.js";
import { RemoteModel } from "#lib/hub/remote-model.js";
import { runCli } from "../cli/run-cli.js";
import { listen } from "../listen.js";
import { failure, MODEL, modelFiles, QUICK, setUp } from "./support.js";
import { Content } from "./server/content.mjs";
import type { Fault } from "./server/faults.mjs";

const SHA = "0".repeat(40);

/** A Hub that answers whatever a test wants, with a cache for what comes of it. */
async function setUpAnswers(listener: RequestListener) {
  const port = await listen(createServer(listener));
  const { load, home } = await setUp({});
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    home,
    load: () => load({}, { HF_ENDPOINT: endpoint, HF_HUB_ETAG_TIMEOUT: "0.05" }),
  };
}

/** What ends in an error of this package says what happened, and nothing that moves a cursor. */
function requireOwnError(error: unknown): void {
  expect(error).toBeInstanceOf(RewardModelScoreError);
  // eslint-disable-next-line no-control-regex -- what must not be there
  expect(inspect(error, { depth: 20 })).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
}

describe("an answer of another shape", () => {
  const shapes = [
    null,
    [null],
    {},
    5,
    "text",
    [[]],
    [{}],
    [5],
    [[null]],
    true,
    { sha: null },
    { sha: [SHA] },
  ];
  const entries = [
    { type: "file" },
    { type: "file", path: 5, size: 1, oid: SHA },
    { type: "file", path: "a", size: "1", oid: SHA },
    { type: "file", path: "a", size: -1, oid: SHA },
    { type: "file", path: "a", size: 1.5, oid: SHA },
    { type: "file", path: "a", size: 1, oid: null },
    { type: "file", path: "a", size: 1, oid: SHA, lfs: 7 },
    { type: "file", path: "a", size: 1, oid: SHA, lfs: { oid: SHA } },
    { type: 5, path: "a", size: 1, oid: SHA },
  ].map((entry) => [entry]);

  it.each<["info" | "tree", unknown]>([
    ...shapes.map((body): ["info", unknown] => ["info", body]),
    ...[...shapes.filter((shape) => !Array.isArray(shape) || shape.length > 0), ...entries].map(
      (body): ["tree", unknown] => ["tree", body],
    ),
  ])("is told as one: %s %j", async (on, body) => {
    const { hub, home, load } = await setUp();
    hub.faults.add({ on, status: 200, body: JSON.stringify(body) });
    const error = await failure(load());
    expect(error).toMatchObject({ name: "RewardModelScoreError", code: "ERR_NETWORK" });
    expect(error.message).toContain("answer for owner/model");
    expect(await readdir(home)).toEqual([]);
  });

  it("leaves the cached copy usable", async () => {
    const { hub, load } = await setUp();
    const { directory } = await load();
    hub.faults.add({ on: "info", status: 200, body: "null" });
    expect(await load()).toMatchObject({ directory, staleBecause: { code: "ERR_NETWORK" } });
  });
});

describe("an answer without an end", () => {
  it("is not read to more than a few MB", async () => {
    let sent = 0;
    const piece = Buffer.alloc(1 << 20, " ");
    const { load } = await setUpAnswers((_request, response) => {
      const send = () => {
        while (!response.destroyed && response.write(piece)) sent += piece.length;
        sent += piece.length;
      };
      response.on("drain", send);
      send();
    });
    const error = await failure(load());
    expect(error).toMatchObject({ code: "ERR_NETWORK" });
    expect(error.message).toContain("more than");
    expect(sent).toBeLessThan(64 << 20); // what the sockets hold included
  });

  it.each([
    ["that says nothing", 200],
    ["of an error", 418],
    ["of a redirect", 302],
  ])("and that drips, %s, is given up", async (_, status) => {
    const { load } = await setUpAnswers((_request, response) => {
      response.writeHead(status, { Location: "/other" });
      const timer = setInterval(() => response.write(" "), 5);
      response.on("close", () => clearInterval(timer));
    });
    expect(await failure(load())).toMatchObject({ code: "ERR_NETWORK" });
  });

  it("of pages ends: with new ones, the same again, or empty ones", async () => {
    for (const cursorOf of [(page: number) => String(page), () => "1"]) {
      let pages = 0;
      const { load, home } = await setUpAnswers((request, response) => {
        if (!request.url!.includes("/tree/")) {
          response.end(JSON.stringify({ sha: SHA }));
          return;
        }
        pages += 1;
        response.setHeader(
          "Link",
          `<http://${request.headers.host}/tree/?cursor=${cursorOf(pages)}>; rel="next"`,
        );
        response.end("[]");
      });
      const error = await failure(load());
      expect(error).toMatchObject({ code: "ERR_NETWORK" });
      expect(error.message).toMatch(/without an end|had before/);
      expect(pages).toBeLessThanOrEqual(1_000);
      expect(await readdir(home)).toEqual([]);
    }
  });

  it("has its next page at an address that is followed", async () => {
    for (const link of ["ftp://elsewhere/", "file:///etc/passwd", "http://[", "data:,x"]) {
      const { hub, load } = await setUp();
      hub.faults.add({ on: "tree", status: 200, body: "[]", headers: { Link: `<${link}>; rel="next"` } });
      expect(await failure(load())).toMatchObject({ code: "ERR_NETWORK" });
      expect(hub.requests.filter(({ kind }) => kind === "tree").length).toBe(1);
    }
    expect(nextAddress("http://hub/2", new URL("https://hub/1"))).toBeUndefined();
    expect(nextAddress("/2", new URL("https://hub/1"))?.href).toBe("https://hub/2");
  });
});

it("an index that is too large to be one is not fetched", async () => {
  const { hub, repository, load, env } = await setUp();
  repository.forged = [{ path: "model.safetensors.index.json", size: 2 ** 31, oid: SHA }];
  repository.commit({ "config.json": "{}", "tokenizer.json": "{}" });
  expect(await failure(load())).toMatchObject({ code: "ERR_IO" });
  await using remote = await RemoteModel.open({ model: MODEL }, env(), QUICK);
  expect(await failure(remote.plan())).toMatchObject({ code: "ERR_IO" });
  expect(hub.bytesOf()).toBe(0);
});

describe("what the Hub says", () => {
  const HOSTILE = "\u001b]0;owned\u0007\u001b[2J\u009b31mred\u202egnp\rover\u2028next";

  it.each<[string, Fault]>([
    ["the text of an error", { on: "info", status: 418, body: { error: `no ${HOSTILE}` } }],
    ["the text of a missing repository", { on: "info", status: 404, body: { error: HOSTILE } }],
    ["the text of a refusal", { on: "resolve", status: 403, body: { error: HOSTILE } }],
    ["a header", { on: "info", status: 418, headers: { "X-Error-Message": "\u009b2J" } }],
    ["what is no JSON", { on: "info", status: 200, body: HOSTILE, times: 99 }],
    [
      "the name of a file",
      { on: "tree", status: 200, body: [{ type: "file", path: HOSTILE, size: 1, oid: SHA }] },
    ],
    ["a redirect", { on: "info", redirect: "ftp://\u009b2J/" }],
  ])("reaches no message with its escape sequences: %s", async (_, fault) => {
    const { hub, load } = await setUp();
    hub.faults.add(fault);
    requireOwnError(await failure(load()));
  });

  it("reaches no terminal with its escape sequences", async () => {
    const { hub, home } = await setUp();
    hub.faults.add({ on: "info", status: 418, body: { error: HOSTILE } });
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };
    const { status, stderr } = await runCli(["download", MODEL], { env });
    expect({ status, stderr }).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("\\u001b]0;owned\\u0007") as string,
    });
    // eslint-disable-next-line no-control-regex -- what must not be there
    expect(stderr).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]/);
  });

  it("is cut to a sentence", async () => {
    const { hub, load } = await setUp();
    hub.faults.add({ on: "info", status: 418, headers: { "X-Error-Message": "x".repeat(10_000) } });
    expect((await failure(load())).message.length).toBeLessThan(1_000);
  });
});

describe("a password", () => {
  const PASSWORD = "hunter2hunter2";
  const hidden = (error: unknown) => {
    requireOwnError(error);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(PASSWORD);
    expect(JSON.stringify(error)).not.toContain(PASSWORD);
  };

  it.each<[string, Fault]>([
    ["no such repository", { on: "info", status: 404 }],
    ["no such revision", { on: "info", status: 404, headers: { "X-Error-Code": "RevisionNotFound" } }],
    ["a gated one", { on: "info", status: 403, headers: { "X-Error-Code": "GatedRepo" } }],
    ["a refusal", { on: "info", status: 403 }],
    ["wrong credentials", { on: "info", status: 401, body: { error: "Invalid credentials" } }],
    ["another shape", { on: "info", status: 200, body: "5" }],
    ["another shape of the listing", { on: "tree", status: 200, body: "5" }],
    ["an overloaded server", { on: "info", status: 503, times: 99 }],
    ["a redirect", { on: "info", redirect: `ftp://user:${PASSWORD}@elsewhere/` }],
    ["a redirect to no address", { on: "info", redirect: `http://user:${PASSWORD}@[/` }],
    [
      "another page",
      { on: "tree", status: 200, body: "[]", headers: { Link: `<ftp://u:${PASSWORD}@h>; rel=next` } },
    ],
  ])("in HF_ENDPOINT is in no error: %s", async (_, fault) => {
    const { hub, load } = await setUp();
    hub.faults.add(fault);
    const endpoint = hub.endpoint.replace("//", `//user:${PASSWORD}@`);
    hidden(await failure(load({}, { HF_ENDPOINT: `${endpoint}/?key=${PASSWORD}` })));
    hub.faults.clear();
    await load({}, { HF_ENDPOINT: endpoint });
  });

  it.each(["HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy"])(
    "in %s that is no address is in no error",
    async (name) => {
      const { load } = await setUp();
      for (const address of [
        `user:${PASSWORD}@host`,
        `user:${PASSWORD}@host:80/path`,
        `http://user:${PASSWORD}@bad host`,
        `http://user:${PASSWORD}@`,
        `ftp://user:${PASSWORD}@host`,
        `user:${PASSWORD}/more@host?x=${PASSWORD}`,
      ]) {
        const error = await failure(load({}, { [name]: address }));
        expect(error).toMatchObject({
          code: "ERR_INVALID_OPTION",
          details: { option: name.toUpperCase() },
        });
        hidden(error);
      }
    },
  );

  it("of a proxy that encodes nothing is in no error, and one of a proxy that is not there neither", async () => {
    const { load } = await setUp();
    const malformed = await failure(load({}, { HTTP_PROXY: `http://user:%zz${PASSWORD}@127.0.0.1:9` }));
    expect(malformed).toMatchObject({ code: "ERR_INVALID_OPTION" });
    hidden(malformed);
    hidden(await failure(load({}, { HTTP_PROXY: `http://user:${PASSWORD}@127.0.0.1:9` })));
  });

  it("is in no public address, whatever is given for one", () => {
    fc.assert(
      fc.property(fc.webUrl(), fc.string(), fc.string(), (url, before, after) => {
        const [scheme, rest] = url.split("//") as [string, string];
        for (const address of [
          `${scheme}//user:${PASSWORD}@${rest}?${PASSWORD}#${PASSWORD}`,
          `${before}${PASSWORD}@${after.replaceAll("/", "")}`,
        ]) {
          expect(publicUrl(address)).not.toContain(PASSWORD);
        }
      }),
    );
  });
});

/** A value with one part of it replaced by another. */
function withOneChange(value: unknown, path: number[], by: unknown): unknown {
  if (typeof value !== "object" || value === null || path.length === 0) return by;
  const entries = Object.entries(value);
  if (entries.length === 0) return by;
  const [at, ...rest] = path as [number, ...number[]];
  const changed = entries.map(([key, part], index): [string, unknown] => [
    key,
    index === at % entries.length ? withOneChange(part, rest, by) : part,
  ]);
  return Array.isArray(value) ? changed.map(([, part]) => part) : Object.fromEntries(changed);
}

it("whatever the Hub answers, it is a model or an error of this package", { timeout: 120_000 }, async () => {
  const { hub, load, env } = await setUp(modelFiles(Content.generated(2_000, 3)));
  const info = { _id: "1", id: MODEL, sha: SHA, private: false };
  const listing = [
    { type: "file", path: "config.json", size: 2, oid: SHA },
    { type: "file", path: "model.safetensors", size: 9, oid: SHA, lfs: { oid: "0".repeat(64), size: 9 } },
    { type: "directory", path: "folder", oid: SHA },
  ];
  const header = fc.oneof(
    fc.constantFrom(
      "",
      "0",
      "-1",
      "NaN",
      "bytes 0-1/2",
      "bytes */9",
      '<>; rel="next"',
      "<?x>; rel=next",
      '""',
      "W/",
    ),
    fc.stringMatching(/^[ -~\u0080-\u00ff]*$/),
  );
  const headers = fc.dictionary(
    fc
      .constantFrom("Link", "Location", "Content-Length", "ETag", "Content-Range", "Retry-After", "RateLimit")
      .chain((name) => fc.constant(name)),
    header,
    { maxKeys: 3 },
  );
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .tuple(fc.constantFrom<unknown>(info, listing), fc.array(fc.nat(5), { maxLength: 4 }), fc.jsonValue())
      .map(([value, path, by]) => JSON.stringify(withOneChange(value, path, by))),
    fc.nat(80).map((length) => JSON.stringify(listing).slice(0, length)),
  );
  const status = fc.constantFrom(
    200,
    200,
    200,
    200,
    204,
    206,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    416,
    429,
    500,
  );
  const fault = fc.record({
    on: fc.constantFrom("info" as const, "tree" as const, "resolve" as const, "cdn" as const),
    status,
    headers,
    body,
    times: fc.constantFrom(1, 99),
  });
  await fc.assert(
    fc.asyncProperty(fault, fc.boolean(), async (answer, remote) => {
      hub.faults.clear();
      hub.faults.add(answer);
      const variables = {
        HF_HOME: `${env().cacheDir}/${String(Math.random())}`,
        HF_HUB_ETAG_TIMEOUT: "0.1",
        HF_HUB_DOWNLOAD_TIMEOUT: "0.1",
      };
      const work = remote
        ? RemoteModel.open({ model: MODEL }, env(variables), {
            ...QUICK,
            attempts: 2,
            maxRetryAfter: 10,
          }).then(async (model) => {
            await using open = model;
            for (const path of (await open.plan()).paths) await open.read(path, 1, 8);
          })
        : load({}, variables);
      await work.catch(requireOwnError);
    }),
    { numRuns: 60 },
  );
});
