import { describe, expect, it } from "vitest";
import { Content } from "./server/content.mjs";
import type { Fault } from "./server/faults.mjs";
import { failure, filesBelow, modelFiles, NEEDED, requireSoundCache, setUp, sha256 } from "./support.js";

const weights = Content.generated(3_000_000, 1);

/** Faults that pass: the download ends in success. */
const passing: [string, Fault[]][] = [
  ["429 with Retry-After", [{ on: "info", status: 429, headers: { "Retry-After": "0" } }]],
  ["429 on the listing", [{ on: "tree", status: 429 }]],
  [
    "503 on every kind of request",
    (["info", "tree", "resolve", "cdn"] as const).map((on) => ({ on, status: 503 })),
  ],
  ["500 three times in a row", [{ on: "cdn", status: 500, times: 3 }]],
  ["an answer that is not JSON", [{ on: "info", status: 200, body: "<html>Log in to the network</html>" }]],
  ["a listing that is cut off", [{ on: "tree", status: 200, body: '[{"type": "fi' }]],
  ["a reset before the first byte", [{ on: "cdn", resetAfter: 0 }]],
  [
    "resets in the middle, more often than attempts are allowed",
    [{ on: "cdn", resetAfter: 200_000, times: 8 }],
  ],
  ["a reset in a small file", [{ on: "resolve", path: "tokenizer.json", resetAfter: 5 }]],
  ["a stall", [{ on: "cdn", stallAfter: 1_000_000 }]],
  ["a stall before the first byte", [{ on: "cdn", stallAfter: 0 }]],
  ["a body that ends early", [{ on: "cdn", truncateTo: 100_000 }]],
  ["a small file that ends early", [{ on: "resolve", path: "tokenizer.json", truncateTo: 3 }]],
  ["wrong bytes once", [{ on: "cdn", wrongBytes: true }]],
  ["a wrong small file once", [{ on: "resolve", path: "config.json", wrongBytes: true }]],
  ["a connection that drips", [{ on: "cdn", drip: { bytes: 10, everyMs: 50 } }]],
  ["an expired address of the storage host", [{ on: "cdn", status: 403 }]],
  [
    "a file that the Hub does not find at first",
    [{ on: "resolve", status: 404, headers: { "X-Error-Code": "EntryNotFound" } }],
  ],
  [
    "a server without ranges that breaks off",
    [
      { on: "cdn", ignoreRange: true, resetAfter: 1_500_000 },
      { on: "cdn", ignoreRange: true, times: 5 },
    ],
  ],
];

/** Faults that stay: the download ends in this error. */
const staying: [string, Fault[], string][] = [
  ["429", [{ on: "info", status: 429, times: 99 }], "ERR_NETWORK"],
  [
    "429 that asks for a day",
    [{ on: "info", status: 429, headers: { "Retry-After": "86400" } }],
    "ERR_NETWORK",
  ],
  ["503", [{ on: "cdn", status: 503, times: 99 }], "ERR_NETWORK"],
  ["resets", [{ on: "cdn", resetAfter: 0, times: 99 }], "ERR_NETWORK"],
  ["a stalling API", [{ on: "cdn", stallAfter: 0, times: 99 }], "ERR_NETWORK"],
  ["wrong bytes", [{ on: "cdn", wrongBytes: true, times: 99 }], "ERR_CHECKSUM"],
  [
    "a wrong small file",
    [{ on: "resolve", path: "config.json", wrongBytes: true, times: 99 }],
    "ERR_CHECKSUM",
  ],
  ["a storage host that refuses", [{ on: "cdn", status: 403, times: 99 }], "ERR_NETWORK"],
  ["an answer that makes no sense", [{ on: "info", status: 418 }], "ERR_NETWORK"],
  ["a range that nobody asked for", [{ on: "resolve", status: 416, times: 99 }], "ERR_NETWORK"],
  [
    "a redirect loop",
    [{ on: "resolve", redirect: "/owner/model/resolve/main/config.json", times: 999 }],
    "ERR_NETWORK",
  ],
  [
    "401",
    [
      {
        on: "info",
        status: 401,
        headers: { "X-Error-Message": "Invalid credentials in Authorization header" },
      },
    ],
    "ERR_UNAUTHORIZED",
  ],
  ["403", [{ on: "resolve", status: 403 }], "ERR_UNAUTHORIZED"],
  ["404", [{ on: "info", status: 404 }], "ERR_REPOSITORY_NOT_FOUND"],
];

describe("a fault that passes", () => {
  it.each(passing)("%s", async (_, faults) => {
    const { hub, folder, load } = await setUp(modelFiles(weights));
    for (const fault of faults) hub.faults.add(fault);

    const { directory } = await load();

    expect(await filesBelow(directory)).toEqual(NEEDED);
    expect(await sha256(`${directory}/model.safetensors`)).toBe(weights.sha256);
    await requireSoundCache(folder);
    expect((await filesBelow(`${folder}/../.locks`)).length).toBe(0);
  });

  it("costs only the bytes that did not arrive", async () => {
    const { hub, load } = await setUp(modelFiles(weights));
    hub.faults.add({ on: "cdn", truncateTo: 1_000_000, times: 2 });
    await load();
    expect(hub.bytesOf("model.safetensors")).toBe(weights.size);
    expect(hub.downloads("model.safetensors").map((request) => request.range)).toEqual([
      undefined,
      "bytes=1000000-2999999",
      "bytes=2000000-2999999",
    ]);
    // Only if it is still the same file may it go on from there.
    expect(hub.downloads("model.safetensors")[1]?.ifRange).toMatch(/^"cdn-/);
  });
});

describe("a fault that stays", () => {
  it.each(staying)("%s", async (_, faults, code) => {
    const { hub, folder, load } = await setUp(modelFiles(weights));
    for (const fault of faults) hub.faults.add(fault);

    expect(await failure(load())).toMatchObject({ name: "RewardModelScoreError", code });

    // Nothing wrong, and nothing that looks complete.
    expect((await filesBelow(`${folder}/snapshots`)).length).toBe(0);
    expect((await filesBelow(`${folder}/refs`)).length).toBe(0);
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
    expect((await filesBelow(`${folder}/../.locks`)).length).toBe(0);
    // And once the fault is over, everything goes well.
    hub.faults.clear();
    await load();
    await requireSoundCache(folder);
  });
});

describe("an answer of the Hub", () => {
  it("that has no such repository says so, with the way to a private one", async () => {
    const { load } = await setUp();
    const error = await failure(load({ model: "owner/other" }));
    expect(error).toMatchObject({ code: "ERR_REPOSITORY_NOT_FOUND", details: { model: "owner/other" } });
    expect(error.message).toContain("HF_TOKEN");
  });

  it("that has no such revision says so", async () => {
    const { load } = await setUp();
    expect(await failure(load({ revision: "v9" }))).toMatchObject({
      code: "ERR_REVISION_NOT_FOUND",
      details: { model: "owner/model", revision: "v9" },
    });
  });

  it("that wants access to be granted names the page, and with access delivers", async () => {
    const { hub, repository, load } = await setUp();
    hub.tokens = new Set(["hf_without", "hf_with"]);
    repository.gatedFor = new Set(["hf_with"]);
    for (const token of [undefined, "hf_without"]) {
      const error = await failure(load(token === undefined ? {} : { token }));
      expect(error).toMatchObject({ code: "ERR_GATED", details: { url: `${hub.endpoint}/owner/model` } });
      expect(error.message).toContain(`${hub.endpoint}/owner/model`);
    }
    expect(await filesBelow((await load({ token: "hf_with" })).directory)).toEqual(NEEDED);
  });

  it("that hides a private repository is like that of a missing one", async () => {
    const { hub, repository, load } = await setUp();
    hub.tokens = new Set(["hf_other", "hf_owner"]);
    repository.privateTo = new Set(["hf_owner"]);
    expect(await failure(load())).toMatchObject({ code: "ERR_REPOSITORY_NOT_FOUND" });
    expect(await failure(load({ token: "hf_other" }))).toMatchObject({ code: "ERR_REPOSITORY_NOT_FOUND" });
    expect(await filesBelow((await load({}, { HF_TOKEN: "hf_owner" })).directory)).toEqual(NEEDED);
  });

  it("that does not know the token says so", async () => {
    const { load } = await setUp();
    expect(await failure(load({ token: "hf_expired" }))).toMatchObject({ code: "ERR_UNAUTHORIZED" });
  });
});

it("checks the disk before the first byte", async () => {
  const { hub, repository, load } = await setUp();
  repository.forged = [{ path: "model.safetensors", size: 2 ** 52, oid: "0".repeat(40) }];
  repository.commit({ "config.json": "{}", "tokenizer.json": "{}" });
  const error = await failure(load());
  expect(error).toMatchObject({ code: "ERR_DISK_FULL", details: { needed: 2 ** 52 + 2 } });
  expect(hub.bytesOf()).toBe(0);
});

it("fetches no text that is longer than a model's texts are", async () => {
  const { hub, repository, load } = await setUp();
  const path = "model.safetensors.index.json";
  repository.forged = [{ path, size: 2 ** 40, oid: "0".repeat(40) }];
  repository.commit({ "config.json": "{}", "tokenizer.json": "{}" });
  expect(await failure(load())).toMatchObject({ code: "ERR_IO", details: { path } });
  expect(hub.bytesOf()).toBe(0);
});
