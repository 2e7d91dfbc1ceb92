import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { listen } from "../listen.js";
import { failure, filesBelow, NEEDED, setUp } from "./support.js";
import { temporaryFolder } from "../temporary-folder.js";

const TOKEN = "hf_sEcReTtOkEn";

/** A server that is not the Hub: what does it get to see? */
async function stranger() {
  const seen: { url: string; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? "", authorization: request.headers.authorization });
    response.writeHead(200, { "Content-Type": "application/json" }).end("[]");
  });
  return { seen, url: `http://127.0.0.1:${await listen(server)}` };
}

describe("the token", () => {
  it("goes to the Hub and not to the host that it redirects to", async () => {
    const { hub, load } = await setUp();
    hub.tokens.add(TOKEN);
    await load({ token: TOKEN });
    const [atHub, elsewhere] = [true, false].map((wanted) =>
      hub.requests
        .filter(({ kind }) => (kind !== "cdn") === wanted)
        .map(({ authorization }) => authorization),
    );
    expect(new Set(atHub)).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(new Set(elsewhere)).toEqual(new Set([undefined]));
    expect(elsewhere?.length).toBeGreaterThan(0);
  });

  it.each([
    ["a redirect", (url: string) => ({ on: "info" as const, redirect: `${url}/api/models/owner/model` })],
    ["a redirect of a file", (url: string) => ({ on: "resolve" as const, redirect: `${url}/file` })],
    [
      "the next page of a listing",
      (url: string) => ({
        on: "tree" as const,
        status: 200,
        body: [],
        headers: { Link: `<${url}/api/models/owner/model/tree/main?cursor=1>; rel="next"` },
      }),
    ],
  ])("stays behind when the same machine's other port is next: %s", async (_, fault) => {
    const { hub, load } = await setUp();
    hub.tokens.add(TOKEN);
    const other = await stranger();
    hub.faults.add(fault(other.url));
    await load({ token: TOKEN }).catch(() => {});
    expect(other.seen.length).toBeGreaterThan(0);
    expect(other.seen.map(({ authorization }) => authorization)).toEqual(other.seen.map(() => undefined));
  });

  it("is in no error, whatever the server says", async () => {
    for (const fault of [
      { status: 403, body: { error: `Token ${TOKEN} may not do this` } },
      {
        status: 401,
        headers: { "X-Error-Message": `Invalid credentials in Authorization header (${TOKEN})` },
      },
      { status: 418, body: { error: TOKEN } },
      { status: 503, headers: { "X-Error-Message": TOKEN }, times: 99 },
      { resetAfter: 0, times: 99 },
      { redirect: `ftp://${TOKEN}@elsewhere/` },
    ]) {
      const { hub, load } = await setUp();
      hub.tokens.add(TOKEN);
      hub.faults.add({ on: "resolve", ...fault });
      const error = await failure(load({ token: TOKEN }));
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(TOKEN);
      expect(JSON.stringify(error)).not.toContain(TOKEN);
    }
  });

  it("is not echoed when it has characters that no token has", async () => {
    const { load } = await setUp();
    const error = await failure(load({ token: "hf_abc\ndef" }));
    expect(error).toMatchObject({ code: "ERR_INVALID_OPTION", details: { option: "token" } });
    expect(inspect(error, { depth: 20 })).not.toContain("hf_abc");
  });

  it("is in no file of the cache and on no stream", async () => {
    const { hub, home, load } = await setUp();
    hub.tokens.add(TOKEN);
    const written: string[] = [];
    for (const stream of [process.stdout, process.stderr]) {
      vi.spyOn(stream, "write").mockImplementation((text) => written.push(String(text)) > 0);
    }
    hub.faults.add({ on: "cdn", truncateTo: 100 });
    await load({ token: TOKEN });
    vi.restoreAllMocks();
    expect(written.join("")).not.toContain(TOKEN);
    for (const file of await filesBelow(home))
      expect(await readFile(join(home, file), "latin1")).not.toContain(TOKEN);
  });

  it("and the signatures of the storage host are in no error", async () => {
    const { hub, load } = await setUp();
    hub.faults.add({ on: "cdn", status: 500, times: 99 });
    const error = await failure(load());
    expect(error.code).toBe("ERR_NETWORK");
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("secret-signature");
  });
});

describe("names from the server", () => {
  const oid = "0".repeat(40);

  it.each([
    "../../../escaped",
    "/etc/escaped",
    "folder/../../escaped",
    "..\\..\\escaped",
    "C:\\escaped",
    "C:escaped",
    "folder//escaped",
    "./escaped",
    "esc\0aped",
    "esc\u009baped",
    "",
  ])("cannot leave the cache folder: %j", async (path) => {
    const { hub, home, repository, load } = await setUp();
    repository.forged = [{ path, size: 4, oid }];
    const error = await failure(load());
    expect(error).toMatchObject({ code: "ERR_NETWORK" });
    expect(error.message).toContain("cache folder");
    expect(hub.bytesOf()).toBe(0);
    expect(await readdir(home)).toEqual([]);
  });

  it.each(["../../../escaped", "..", "main", "A".repeat(40), ""])("of blobs are hashes: %j", async (name) => {
    const { home, repository, load } = await setUp();
    repository.forged = [{ path: "added_tokens.json", size: 4, oid: name }];
    expect(await failure(load())).toMatchObject({ code: "ERR_NETWORK" });
    expect(await readdir(home)).toEqual([]);
  });

  it.each(["../../escaped", "main", ""])("of commits are hashes: %j", async (sha) => {
    const { hub, home, load } = await setUp();
    hub.faults.add({
      on: "info",
      status: 200,
      body: { _id: "1", id: "owner/model", sha, lastModified: "2025-01-01" },
    });
    expect(await failure(load())).toMatchObject({ code: "ERR_NETWORK" });
    expect(await readdir(home)).toEqual([]);
  });

  it.each([
    ["../../../escaped", "0".repeat(40)],
    ["added_tokens.json", "../../../escaped"],
  ])("in the listing that a cache holds are those of files and blobs: %j %j", async (path, blob_id) => {
    const { hub, folder, load } = await setUp();
    const { commit, directory } = await load();
    await rm(join(directory, "config.json"));
    await mkdir(join(folder, "trees"));
    const listing = { format_version: 1, files: { [path]: { size: 4, blob_id } } };
    await writeFile(join(folder, "trees", `${commit}.json`), JSON.stringify(listing));
    hub.requests.length = 0;
    await load({ revision: commit });
    expect(hub.requests.map(({ kind }) => kind)).toContain("tree"); // it is not believed
    expect(await filesBelow(directory)).toEqual(NEEDED);
  });

  it("that an index holds are those of weights in the repository", async () => {
    for (const shard of [
      "../../../escaped.safetensors",
      "/etc/passwd",
      "config.json",
      "missing.safetensors",
      7,
    ]) {
      const { home, load } = await setUp({
        "config.json": "{}",
        "model.safetensors.index.json": JSON.stringify({ weight_map: { a: shard } }),
      });
      expect(await failure(load())).toMatchObject({ code: "ERR_MODEL_CORRUPT" });
      expect((await filesBelow(home)).filter((file) => file.includes("escaped"))).toEqual([]);
    }
  });
});

describe("names from the caller", () => {
  it.each(["../../escaped", "a/b/c", "a--b/c", "/abs", "a/..", "", "a/b.git", "a b/c", "a\\b"])(
    "are those of a repository: %j",
    async (model) => {
      const { hub, load } = await setUp();
      expect(await failure(load({ model }))).toMatchObject({
        code: "ERR_INVALID_OPTION",
        details: { option: "model" },
      });
      expect(hub.requests).toEqual([]);
    },
  );

  it.each(["../../escaped", "", "a\\b", "/main", "a//b"])("are those of a revision: %j", async (revision) => {
    const { hub, load } = await setUp();
    expect(await failure(load({ revision }))).toMatchObject({
      code: "ERR_INVALID_OPTION",
      details: { option: "revision" },
    });
    expect(hub.requests).toEqual([]);
  });
});

it("fetches no Python code, even when everything is trusted", async () => {
  const { hub, load } = await setUp();
  const { directory } = await load({ trustRemoteCode: true });
  expect((await filesBelow(directory)).filter((path) => path.endsWith(".py"))).toEqual([]);
  expect(hub.downloads("modeling_custom.py")).toEqual([]);
});

it("reads the token as the Hugging Face client does", async () => {
  const { hub, home, load } = await setUp();
  const elsewhere = join(temporaryFolder("hub"), "token");
  await mkdir(home, { recursive: true });
  await writeFile(join(home, "token"), "hf_file\n");
  await writeFile(elsewhere, " hf_elsewhere ");
  for (const name of ["hf_option", "hf_env", "hf_old", "hf_file", "hf_elsewhere"]) hub.tokens.add(name);
  const cases: [string | undefined, NodeJS.ProcessEnv, string | undefined][] = [
    ["hf_option", { HF_TOKEN: "hf_env" }, "hf_option"],
    [undefined, { HF_TOKEN: "hf_env", HUGGING_FACE_HUB_TOKEN: "hf_old" }, "hf_env"],
    [undefined, { HUGGING_FACE_HUB_TOKEN: "hf_old" }, "hf_old"],
    [undefined, {}, "hf_file"],
    [undefined, { HF_TOKEN_PATH: elsewhere }, "hf_elsewhere"],
    [undefined, { HF_TOKEN_PATH: join(home, "none") }, undefined],
    [undefined, { HF_HUB_DISABLE_IMPLICIT_TOKEN: "1", HF_TOKEN: "hf_env" }, undefined],
    ["hf_option", { HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }, "hf_option"],
  ];
  for (const [token, variables, expected] of cases) {
    hub.requests.length = 0;
    await load(token === undefined ? {} : { token }, variables);
    expect(hub.requests[0]?.authorization).toBe(expected && `Bearer ${expected}`);
  }
});
