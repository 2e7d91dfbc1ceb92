import { lstat, readFile, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DownloadProgress } from "#lib/hub/progress.js";
import { Content } from "./server/content.mjs";
import {
  ended,
  failure,
  filesBelow,
  loadInChild,
  MODEL,
  modelFiles,
  NEEDED,
  requireSoundCache,
  setUp,
  sha256,
} from "./support.js";
import { temporaryFolder } from "../temporary-folder.js";

describe("resolveModel", () => {
  it("fetches what loading needs, and nothing else", async () => {
    const { hub, repository, folder, load } = await setUp();
    const commit = repository.resolve("main");

    const resolved = await load();

    expect(resolved).toEqual({
      directory: join(folder, "snapshots", commit!),
      commit: commit!,
      form: "safetensors",
    });
    expect(await filesBelow(resolved.directory)).toEqual(NEEDED);
    expect(new Set(hub.downloads().map((request) => request.path))).toEqual(new Set(NEEDED));
  });

  it("keeps the layout of huggingface_hub", async () => {
    const { repository, folder, load } = await setUp();
    const { directory, commit } = await load();

    const weights = repository.commits.get(commit)!.get("model.safetensors")!;
    const config = repository.commits.get(commit)!.get("config.json")!;
    expect(await readFile(join(folder, "refs", "main"), "utf8")).toBe(commit);
    expect(await readlink(join(directory, "model.safetensors"))).toBe(`../../blobs/${weights.sha256}`);
    expect(await readlink(join(directory, "config.json"))).toBe(`../../blobs/${config.gitOid}`);
    expect(await filesBelow(join(folder, "blobs"))).toHaveLength(NEEDED.length);
    await requireSoundCache(folder);
  });

  it("fetches a large file in several ranges that make up the whole", async () => {
    const weights = Content.generated(20 * 1024 * 1024, 7);
    const { hub, load } = await setUp(modelFiles(weights));

    const { directory } = await load();

    expect(await sha256(join(directory, "model.safetensors"))).toBe(weights.sha256);
    expect(hub.downloads("model.safetensors").length).toBe(3);
    expect(hub.bytesOf("model.safetensors")).toBe(weights.size);
  });

  it("fetches eight ranges at once and no more", async () => {
    const { hub, load } = await setUp({
      ...modelFiles(Content.generated(20_000_000, 12)),
      "value_head.safetensors": Content.generated(70_000_000, 16),
    });
    hub.faults.add({ on: "cdn", drip: { bytes: 500_000, everyMs: 20 }, times: 99 });
    await load();
    expect(hub.downloads().filter(({ kind }) => kind === "cdn").length).toBeGreaterThan(8);
    expect(hub.mostOpen).toBe(8);
  });

  it("puts the cache where cacheDir says", async () => {
    const { home, load } = await setUp();
    const cacheDir = temporaryFolder("hub");
    const { directory } = await load({ cacheDir });
    expect(directory.startsWith(join(cacheDir, "models--owner--model", "snapshots"))).toBe(true);
    expect(await filesBelow(directory)).toEqual(NEEDED);
    expect(await filesBelow(home)).toEqual([]);
    expect((await load({ cacheDir, localFilesOnly: true })).directory).toBe(directory);
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
  });

  it("fetches the shards that the index names", async () => {
    const shard = (seed: number) => Content.generated(100_000, seed);
    const { load } = await setUp({
      "config.json": "{}",
      "tokenizer.json": "{}",
      "model.safetensors.index.json": JSON.stringify({
        weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
      }),
      "model-00001-of-00002.safetensors": shard(1),
      "model-00002-of-00002.safetensors": shard(2),
      "model-00003-of-00003.safetensors": shard(3),
      "pytorch_model.bin": shard(4),
    });
    expect(await filesBelow((await load()).directory)).toEqual([
      "config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
      "tokenizer.json",
    ]);
  });

  it("fetches the tokenizer alone when that is what is wanted", async () => {
    const { hub, load } = await setUp();
    const { directory, form } = await load({ only: "tokenizer" });
    expect(form).toBeUndefined();
    expect(await filesBelow(directory)).toEqual(NEEDED.filter((path) => path !== "model.safetensors"));
    expect(hub.bytesOf("model.safetensors")).toBe(0);
    // and the model later
    expect(await filesBelow((await load()).directory)).toEqual(NEEDED);
  });

  it("finds branches, tags, pull requests and commits", async () => {
    const { repository, folder, load } = await setUp();
    const first = repository.resolve("main")!;
    const pullRequest = repository.commit(modelFiles(Content.generated(5_000, 9)), "refs/pr/1");
    repository.refs.set("v1.0", first);

    expect((await load({ revision: "v1.0" })).commit).toBe(first);
    expect((await load({ revision: "refs/pr/1" })).commit).toBe(pullRequest);
    expect((await load({ revision: pullRequest })).commit).toBe(pullRequest);
    expect(await filesBelow(join(folder, "refs"))).toEqual(["refs/pr/1", "v1.0"]);
  });

  it("shares blobs between revisions and notices a branch that moved", async () => {
    const { hub, repository, load } = await setUp();
    const before = await load();
    const bytes = hub.bytesOf("model.safetensors");
    repository.commit({ ...modelFiles(), "config.json": '{"model_type": "qwen3"}' });

    const after = await load();

    expect(after.commit).not.toBe(before.commit);
    expect(await readFile(join(after.directory, "config.json"), "utf8")).toContain("qwen3");
    expect(hub.bytesOf("model.safetensors")).toBe(bytes);
    expect(await readFile(join(before.directory, "config.json"), "utf8")).toContain("llama");
  });

  it("keeps to one commit when the branch moves between two calls", async () => {
    const { hub, repository, load } = await setUp();
    const first = repository.resolve("main")!;
    hub.faults.add({ on: "info", moveBranch: true });
    hub.faults.add({ on: "tree", moveBranch: true });
    hub.faults.add({ on: "resolve", moveBranch: true, times: 3 });
    expect((await load()).commit).toBe(first);
    expect(repository.resolve("main")).not.toBe(first);
  });

  it("reads a listing of several pages", async () => {
    const { hub, load } = await setUp();
    hub.treePageSize = 3;
    expect(await filesBelow((await load()).directory)).toEqual(NEEDED);
    expect(hub.requests.filter((request) => request.kind === "tree")).toHaveLength(5);
  });

  it("replaces a file of the snapshot that has another size than it should", async () => {
    const { folder, load } = await setUp();
    const { directory, commit } = await load();
    const blob = join(directory, await readlink(join(directory, "model.safetensors")));
    await truncate(blob, 10);

    await load();

    expect((await load()).commit).toBe(commit);
    await requireSoundCache(folder);
  });

  it("counts the bytes of all files", async () => {
    const { repository, load } = await setUp();
    const news: DownloadProgress[] = [];
    await load({ onProgress: (progress) => news.push(progress) });
    const files = repository.commits.get(repository.resolve("main")!)!;
    const total = NEEDED.reduce((sum, path) => sum + files.get(path)!.size, 0);
    expect([news.at(-1)?.model, news.at(-1)?.loaded, news.at(-1)?.total]).toEqual([MODEL, total, total]);
    expect(news.every((one, i) => one.loaded >= (news[i - 1]?.loaded ?? 0))).toBe(true);
  });

  it("fetches a content that has two names once", async () => {
    const twin = Content.generated(50_000, 11);
    const { hub, load } = await setUp({
      ...modelFiles(),
      "tokenizer_config.json": "{}",
      "special_tokens_map.json": "{}",
      "value_head.safetensors": twin,
      "model.safetensors": twin,
    });
    const { directory } = await load();
    expect(hub.bytesOf("value_head.safetensors") + hub.bytesOf("model.safetensors")).toBe(twin.size);
    expect(await sha256(join(directory, "value_head.safetensors"))).toBe(twin.sha256);
  });
});

describe("without the network", () => {
  it.each([
    ["localFilesOnly", { localFilesOnly: true }, {}],
    ["HF_HUB_OFFLINE", {}, { HF_HUB_OFFLINE: "1" }],
  ])("loads a cached model with no request at all: %s", async (_, options, variables) => {
    const { hub, load } = await setUp();
    const online = await load();
    const asked = hub.requests.length;
    expect(await load(options, variables)).toEqual(online);
    expect(hub.requests.length).toBe(asked);
  });

  it("loads a cached commit with no request at all", async () => {
    const { hub, load } = await setUp();
    const online = await load();
    const asked = hub.requests.length;
    expect(await load({ revision: online.commit })).toEqual(online);
    expect(hub.requests.length).toBe(asked);
  });

  it("says what is missing when the model is not cached, or only a part of it", async () => {
    const { hub, load } = await setUp();
    const missing = await failure(load({ localFilesOnly: true }));
    expect(missing).toMatchObject({ code: "ERR_OFFLINE", details: { model: MODEL } });
    expect(missing.message).toContain("localFilesOnly");
    expect(hub.requests).toEqual([]);

    const { directory } = await load();
    await rm(join(directory, "model.safetensors"));
    const partly = await failure(load({}, { HF_HUB_OFFLINE: "1" }));
    expect(partly).toMatchObject({ code: "ERR_OFFLINE" });
    expect(partly.message).toMatch(/HF_HUB_OFFLINE.*incomplete/);
  });

  it("falls back to the cached copy when the Hub cannot be reached, and says why", async () => {
    const { hub, load } = await setUp();
    const online = await load();
    await hub.close();
    const { staleBecause, ...cached } = await load();
    expect(cached).toEqual(online);
    expect(staleBecause).toMatchObject({ code: "ERR_NETWORK" });
  });
});

describe("where links cannot be made", () => {
  const variables = { HF_HUB_DISABLE_SYMLINKS: "1" };

  it("puts the files into the snapshot, once on the disk", async () => {
    const { hub, folder, load } = await setUp({
      ...modelFiles(),
      "special_tokens_map.json": '{"eos_token": "</s>"}',
    });
    const { directory } = await load({}, variables);
    expect((await lstat(join(directory, "model.safetensors"))).isFile()).toBe(true);
    expect(await filesBelow(directory)).toEqual([...NEEDED, "special_tokens_map.json"].sort());
    expect(await readFile(join(directory, "special_tokens_map.json"), "utf8")).toContain("</s>");
    expect(await filesBelow(join(folder, "blobs"))).toEqual([]);

    const bytes = hub.bytesOf();
    await load({}, variables);
    await load({ localFilesOnly: true }, variables);
    expect(hub.bytesOf()).toBe(bytes);
  });

  it("finds out by trying", async () => {
    const { hub, home, folder, repository, load } = await setUp();
    const preload = `--import ${new URL("no-symlinks.mjs", import.meta.url).href}`;
    const child = loadInChild({ HF_ENDPOINT: hub.endpoint, HF_HOME: home, NODE_OPTIONS: preload });
    expect(await ended(child)).toMatchObject({ code: 0, stderr: "" });
    const directory = join(folder, "snapshots", repository.resolve("main")!);
    expect((await lstat(join(directory, "model.safetensors"))).isFile()).toBe(true);
    expect(await filesBelow(directory)).toEqual(NEEDED);
    // A process that may make links finds the same files, and leaves them.
    const bytes = hub.bytesOf();
    expect((await load()).directory).toBe(directory);
    expect(hub.bytesOf()).toBe(bytes);
  });
});

describe("a repository that holds only a TorchScript archive", () => {
  const files = { "model.pt": Content.generated(10_000, 8), "tokenizer.json": "{}", "config.json": "{}" };

  it("is refused, with what that means, before anything is fetched", async () => {
    const { hub, load } = await setUp(files);
    const error = await failure(load());
    expect(error).toMatchObject({ code: "ERR_UNTRUSTED_CODE", details: { model: MODEL } });
    expect(error.message).toMatch(/program.*trustRemoteCode: true/);
    expect(hub.bytesOf()).toBe(0);
  });

  it("is fetched with trustRemoteCode, and from the cache still needs it", async () => {
    const { load } = await setUp(files);
    const { directory, form } = await load({ trustRemoteCode: true });
    expect(form).toBe("torchscript");
    expect(await filesBelow(directory)).toEqual(["config.json", "model.pt", "tokenizer.json"]);
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_UNTRUSTED_CODE" });
    expect((await load({ localFilesOnly: true, trustRemoteCode: true })).directory).toBe(directory);
  });
});

it("a repository that holds its weights in another form is refused by name, and nothing is fetched", async () => {
  const { "model.safetensors": _, "pytorch_model.bin": __, ...files } = modelFiles();
  const { hub, load } = await setUp(files);
  expect(await failure(load())).toMatchObject({
    code: "ERR_NOT_SUPPORTED",
    message: expect.stringMatching(
      /owner\/model holds its weights only as GGUF \(model-q4\.gguf\) and ONNX/,
    ) as string,
  });
  expect(hub.bytesOf()).toBe(0);
});

describe("a repository with an adapter beside its base", () => {
  const adapter = '{"peft_type": "IA3"}';

  it("of a kind that is not applied is refused before its weights are fetched", async () => {
    const { hub, load } = await setUp({ ...modelFiles(), "adapter_config.json": adapter });
    expect(await failure(load())).toMatchObject({ code: "ERR_NOT_SUPPORTED" });
    expect(hub.bytesOf()).toBe(adapter.length);
  });

  it("of that kind is refused from the cache too, where another client put all of it", async () => {
    const { load } = await setUp();
    const { directory } = await load();
    await writeFile(join(directory, "adapter_config.json"), adapter);
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_NOT_SUPPORTED" });
  });
});

describe("a cache that another client wrote", () => {
  it("is complete or not by the listing that huggingface_hub keeps", async () => {
    const { hub, repository, folder, load } = await setUp();
    const { commit, directory } = await load();
    const { Repository } = await import("./server/repository.mjs");
    const entries = [...repository.commits.get(commit)!].map(([path, content]) =>
      Repository.entry(path, content),
    );
    const files = Object.fromEntries(
      entries.map((entry) => [
        entry.path,
        {
          size: entry.size,
          blob_id: entry.oid,
          ...("lfs" in entry && { lfs_sha256: entry.lfs?.oid, lfs_size: entry.lfs?.size }),
        },
      ]),
    );
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(folder, "trees"));
    await writeFile(join(folder, "trees", `${commit}.json`), JSON.stringify({ format_version: 1, files }));
    await rm(join(directory, "chat_template.jinja"));

    // Only the listing knows that a chat template belongs to this model.
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
    hub.requests.length = 0;
    await load({ revision: commit });
    expect(hub.requests.map((request) => request.kind)).not.toContain("tree");
    expect(await filesBelow(directory)).toEqual(NEEDED);
  });
});
