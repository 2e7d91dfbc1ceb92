import { randomInt } from "node:crypto";
import { appendFile, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DownloadProgress } from "#lib/hub/progress.js";
import { Content } from "./server/content.mjs";
import {
  ended,
  failure,
  filesBelow,
  loadInChild,
  modelFiles,
  NEEDED,
  requireSoundCache,
  setUp,
  sha256,
} from "./support.js";
import { until } from "../wait.js";

const weights = Content.generated(20_000_000, 21); // three ranges

describe("an aborted download", () => {
  it("rejects with the signal's reason and goes on from there", async () => {
    const { hub, folder, load } = await setUp(modelFiles(weights));
    hub.faults.add({ on: "cdn", stallAfter: 3_000_000, times: 3 });
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const loading = load(
      {
        signal: controller.signal,
        onProgress: ({ loaded }) => loaded > 5_000_000 && controller.abort(reason),
      },
      { HF_HUB_DOWNLOAD_TIMEOUT: "60" },
    );
    expect(await failure(loading)).toBe(reason);
    expect(await filesBelow(join(folder, "snapshots"))).toEqual([]);

    const news: DownloadProgress[] = [];
    await load({ onProgress: (progress) => news.push(progress) });
    // What is there already counts from the beginning, so that a bar goes on where it was.
    const first = news.find(({ file }) => file === "model.safetensors")!;
    expect(first.loaded).toBeGreaterThan(4_000_000);
    expect(news.at(-1)!.loaded).toBe(first.total);

    // What was handed to the sockets and not read in time comes again, so: less than what the first attempt had read, over again.
    expect(hub.bytesOf("model.safetensors")).toBeLessThan(weights.size + 5_000_000);
    await requireSoundCache(folder);
  });

  it("does not begin when the signal is aborted already", async () => {
    const { hub, load } = await setUp();
    const reason = new Error("never mind");
    expect(await failure(load({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(hub.requests).toEqual([]);
  });

  it("ends waits between attempts at once", async () => {
    const { hub, load } = await setUp();
    hub.faults.add({ on: "info", status: 503, headers: { "Retry-After": "2" }, times: 9 });
    const controller = new AbortController();
    const loading = failure(load({ signal: controller.signal }));
    await until(() => hub.requests.length === 1);
    controller.abort(new Error("enough"));
    expect((await loading).message).toBe("enough");
    expect(hub.requests.length).toBe(1);
  });
});

describe("what a crash left", () => {
  async function halfway() {
    const setup = await setUp(modelFiles(weights));
    setup.hub.faults.add({ on: "cdn", truncateTo: 4_000_000, times: 3 });
    setup.hub.faults.add({ on: "cdn", status: 503, times: 99 });
    await failure(setup.load());
    setup.hub.faults.clear();
    const blobs = join(setup.folder, "blobs");
    const name = (await readdir(blobs)).find((file) => file.endsWith(".incomplete"))!;
    const before = setup.hub.bytesOf("model.safetensors");
    expect(before).toBe(11_222_784);
    return {
      ...setup,
      partial: join(blobs, name),
      log: join(blobs, name.replace("incomplete", "log")),
      before,
    };
  }

  it("is continued by ranges", async () => {
    const { hub, before, folder, load } = await halfway();
    const earlier = hub.downloads("model.safetensors").length;
    await load();
    // Progress is written down a few times a second, so a little of what had arrived comes again.
    expect(hub.bytesOf("model.safetensors") - before).toBeLessThan(weights.size - before / 2);
    await requireSoundCache(folder);
    // Another process may have left it: it goes on only if the file is still the one that it saw.
    const further = hub.downloads("model.safetensors").slice(earlier);
    expect(new Set(further.map(({ ifRange }) => ifRange))).toEqual(
      new Set([`"cdn-${weights.sha256.slice(0, 16)}"`]),
    );
  });

  it("is dropped when the server has another file by now", async () => {
    const { hub, log, before, folder, load } = await halfway();
    const text = await readFile(log, "utf8");
    await writeFile(log, text.replace(/^etag .*$/m, 'etag "cdn-another"'));
    expect(await readFile(log, "utf8")).not.toBe(text);
    const { directory } = await load();
    expect(await sha256(join(directory, "model.safetensors"))).toBe(weights.sha256);
    expect(hub.bytesOf("model.safetensors") - before).toBeGreaterThanOrEqual(weights.size);
    await requireSoundCache(folder);
  });

  it("is not believed when the bytes are others", async () => {
    const { partial, folder, load } = await halfway();
    const file = await open(partial, "r+");
    await file.write(Buffer.from("not what the server sent"), 0, 24, 1_000);
    await file.close();
    const { directory } = await load();
    expect(await sha256(join(directory, "model.safetensors"))).toBe(weights.sha256);
    await requireSoundCache(folder);
  });

  it("may end in the middle of a line", async () => {
    const { hub, log, before, folder, load } = await halfway();
    await appendFile(log, "have 0 2000");
    await load();
    expect(hub.bytesOf("model.safetensors") - before).toBeLessThan(weights.size - before / 2);
    await requireSoundCache(folder);
  });

  it("may claim more than the file holds", async () => {
    const { log, folder, load } = await halfway();
    await appendFile(log, "have 0 20000000\n");
    const { directory } = await load();
    expect(await sha256(join(directory, "model.safetensors"))).toBe(weights.sha256);
    await requireSoundCache(folder);
  });

  it("is dropped when the server does not go on from the middle", async () => {
    const { hub, folder, load } = await halfway();
    hub.faults.add({ on: "cdn", ignoreRange: true, times: 99 });
    const { directory } = await load();
    expect(await sha256(join(directory, "model.safetensors"))).toBe(weights.sha256);
    await requireSoundCache(folder);
  });
});

it("survives kill -9 at 20 random moments, fetching nothing again that was verified", async () => {
  const { hub, home, folder } = await setUp();
  const shards = Array.from(
    { length: 4 },
    (_, i) => [`model-${i}.safetensors`, Content.generated(2_000_000 + i, 30 + i)] as const,
  );
  hub.add("owner/model", {
    "config.json": "{}",
    "tokenizer.json": "{}",
    "model.safetensors.index.json": JSON.stringify({
      weight_map: Object.fromEntries(shards.map(([name]) => [name, name])),
    }),
    ...Object.fromEntries(shards),
  });
  const variables = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };
  const pathOf = new Map<string, string>(shards.map(([name, content]) => [content.sha256, name]));

  for (let kills = 0; kills < 20; kills += 1) {
    // Bodies trickle, so that there is a middle to be killed in.
    hub.faults.clear();
    hub.faults.add({ on: "cdn", drip: { bytes: 60_000, everyMs: 40 }, times: 99 });
    const verified = (await readdir(join(folder, "blobs")).catch(() => [])).flatMap(
      (name) => pathOf.get(name) ?? [],
    );
    const bytesBefore = new Map(verified.map((path) => [path, hub.bytesOf(path)]));
    const child = loadInChild(variables);
    // A random amount of what is left, so that the kills spread over all that happens.
    const requests = hub.requests.length;
    const total = hub.bytesOf();
    const [someRequests, someBytes] = [randomInt(0, 8), randomInt(0, 3_000_000)];
    const end = ended(child);
    await until(
      () =>
        child.exitCode !== null ||
        (hub.requests.length - requests >= someRequests && hub.bytesOf() - total >= someBytes),
    );
    child.kill("SIGKILL");
    await end;
    await requireSoundBlobs(folder);
    for (const [path, bytes] of bytesBefore) expect(hub.bytesOf(path)).toBe(bytes);
  }

  // Once more, late enough for its progress to be on disk: the last load goes on in the middle of a file.
  hub.faults.clear();
  hub.faults.add({ on: "cdn", drip: { bytes: 10_000, everyMs: 100 }, times: 99 });
  const slow = loadInChild(variables);
  const end = ended(slow);
  await until(async () => slow.exitCode !== null || (await hasProgress(join(folder, "blobs"))));
  slow.kill("SIGKILL");
  await end;

  hub.faults.clear();
  const last = await ended(loadInChild(variables));
  expect(last).toMatchObject({ code: 0, stderr: "" });
  await requireSoundCache(folder);
  const commit = await readFile(join(folder, "refs", "main"), "utf8");
  for (const [name, content] of shards) {
    expect(await sha256(join(folder, "snapshots", commit, name))).toBe(content.sha256);
  }
  expect(
    hub.downloads().filter(({ range }) => range !== undefined && !range.startsWith("bytes=0-")),
  ).not.toEqual([]);

  async function hasProgress(where: string): Promise<boolean> {
    const logs = (await readdir(where)).filter((name) => name.endsWith(".log"));
    const texts = await Promise.all(logs.map((name) => readFile(join(where, name), "utf8").catch(() => "")));
    return texts.some((text) => /^have .*\n/m.test(text));
  }

  /** A name of a blob never stands for something else; what is on its way has other names. */
  async function requireSoundBlobs(where: string): Promise<void> {
    for (const name of await readdir(join(where, "blobs")).catch(() => [])) {
      const content = pathOf.get(name);
      if (content !== undefined) expect(await sha256(join(where, "blobs", name))).toBe(name);
    }
  }
}, 600_000);

it("a log that a kill left beside its finished blob goes with the next look at the model", async () => {
  const { folder, load } = await setUp(modelFiles(weights));
  await load();
  const blob = (await filesBelow(join(folder, "blobs"))).find((name) => name.length === 64)!;
  await writeFile(join(folder, "blobs", `${blob}.ranges.log`), `size ${weights.size}\n`);
  // Something else is missing, so that it is not a look at what is there alone.
  const [snapshot] = await filesBelow(join(folder, "snapshots"));
  await rm(join(folder, "snapshots", snapshot!));
  await load();
  await requireSoundCache(folder);
});

it("needs nothing that is not in the cache: what is left of a finished download is only the files", async () => {
  const { home, load } = await setUp();
  const { directory } = await load();
  expect(await filesBelow(directory)).toEqual(NEEDED);
  expect(
    (await filesBelow(join(home, "hub"))).filter((path) => /tmp|incomplete|log|lock|symlink/.test(path)),
  ).toEqual([]);
});
