import { mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listCache, removeFromCache, verifyCache } from "#lib/hub/inventory.js";
import { Content } from "./server/content.mjs";
import { failure, filesBelow, MODEL, modelFiles, NEEDED, setUp } from "./support.js";
import { temporaryFolder } from "../temporary-folder.js";

async function twoRevisions() {
  const setup = await setUp();
  const first = await setup.load();
  setup.repository.commit({ ...modelFiles(), "config.json": '{"model_type": "qwen3"}' });
  const second = await setup.load();
  return { ...setup, first, second };
}

describe("listCache", () => {
  it("lists models, revisions and sizes", async () => {
    const { cache, first, second, folder } = await twoRevisions();
    await mkdir(join(cache, "datasets--owner--data"));
    const [model, ...others] = await listCache(cache);
    expect(others).toEqual([]);
    expect(model).toMatchObject({ model: MODEL, folder });
    expect(model?.revisions).toEqual(
      [
        { commit: first.commit, refs: [], files: NEEDED.length, size: expect.any(Number) as number },
        { commit: second.commit, refs: ["main"], files: NEEDED.length, size: expect.any(Number) as number },
      ].sort((a, b) => (a.commit < b.commit ? -1 : 1)),
    );
    // The weights are on the disk once.
    expect(model?.size).toBeGreaterThan(3_000_000);
    expect(model?.size).toBeLessThan(3_100_000);
  });

  it("is empty where there is no cache", async () => {
    expect(await listCache(join(temporaryFolder("hub"), "none"))).toEqual([]);
  });
});

describe("verifyCache", () => {
  it("finds nothing in a good cache", async () => {
    const { cache } = await twoRevisions();
    expect(await verifyCache(cache)).toEqual({ files: NEEDED.length + 1, damage: [], unknown: [] });
  });

  it("finds a changed byte and a missing file, and on request makes way for a new download", async () => {
    const { cache, second, folder, load } = await twoRevisions();
    const weights = join(second.directory, await readlink(join(second.directory, "model.safetensors")));
    const bytes = await readFile(weights);
    bytes[1_000] = bytes[1_000]! ^ 1;
    await writeFile(weights, bytes);
    const config = join(second.directory, "config.json");
    await rm(join(second.directory, await readlink(config)));

    const { damage } = await verifyCache(cache, { model: MODEL });
    expect(damage).toEqual([
      { model: MODEL, path: config, problem: "missing" },
      { model: MODEL, path: weights, problem: "damaged" },
    ]);
    await verifyCache(cache, { removeDamaged: true });
    await load();
    expect(await verifyCache(cache)).toMatchObject({ damage: [] });
    expect(await filesBelow(join(folder, "blobs"))).toHaveLength(NEEDED.length + 1);
  });

  it("says which files it cannot judge where there are no links", async () => {
    const { cache, load } = await setUp();
    const { directory } = await load({}, { HF_HUB_DISABLE_SYMLINKS: "1" });
    const { files, unknown } = await verifyCache(cache);
    expect(files).toBe(0);
    expect(unknown.sort()).toEqual(NEEDED.map((path) => join(directory, path)));
  });

  it("knows no model that is not there", async () => {
    const { cache } = await setUp();
    expect(await failure(verifyCache(cache, { model: MODEL }))).toMatchObject({ code: "ERR_NOT_FOUND" });
  });
});

describe("removeFromCache", () => {
  it("removes a revision with what only it has", async () => {
    const { cache, first, second, folder, load } = await twoRevisions();
    const freed = await removeFromCache(cache, MODEL, first.commit);
    expect(freed).toBeGreaterThan(0);
    expect(freed).toBeLessThan(1_000);
    expect(await load({ localFilesOnly: true })).toEqual(second);
    expect(await filesBelow(join(folder, "blobs"))).toHaveLength(NEEDED.length);
    expect(await failure(load({ localFilesOnly: true, revision: first.commit }))).toMatchObject({
      code: "ERR_OFFLINE",
    });
  });

  it("removes the branch with its revision", async () => {
    const { cache, first, folder } = await twoRevisions();
    await removeFromCache(cache, MODEL, "main");
    expect(await filesBelow(join(folder, "refs"))).toEqual([]);
    expect((await listCache(cache))[0]?.revisions.map(({ commit }) => commit)).toEqual([first.commit]);
  });

  it("removes a model", async () => {
    const { hub, cache, load } = await setUp();
    hub.add("owner/other", { "config.json": "{}", "model.safetensors": Content.generated(10, 1) });
    await load();
    await load({ model: "owner/other" });
    expect(await removeFromCache(cache, MODEL)).toBeGreaterThan(3_000_000);
    expect((await listCache(cache)).map(({ model }) => model)).toEqual(["owner/other"]);
  });

  it("knows no revision that is not there", async () => {
    const { cache } = await twoRevisions();
    expect(await failure(removeFromCache(cache, MODEL, "v9"))).toMatchObject({ code: "ERR_NOT_FOUND" });
    expect(await failure(removeFromCache(cache, "owner/none"))).toMatchObject({ code: "ERR_NOT_FOUND" });
    expect(await failure(removeFromCache(cache, "../.."))).toMatchObject({ code: "ERR_INVALID_OPTION" });
  });
});
