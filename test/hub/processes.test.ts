import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Content } from "./server/content.mjs";
import { ended, filesBelow, loadInChild, modelFiles, NEEDED, requireSoundCache, setUp } from "./support.js";
import { until } from "../wait.js";

const weights = Content.generated(9_000_000, 41); // two ranges

it("eight processes that load the same model fetch every blob once", async () => {
  const { hub, repository, home, folder } = await setUp(modelFiles(weights));
  hub.faults.add({ on: "cdn", drip: { bytes: 60_000, everyMs: 2 }, times: 99 }); // time for all to come together
  const variables = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };

  const ends = await Promise.all(Array.from({ length: 8 }, () => ended(loadInChild(variables))));

  expect(ends).toEqual(Array.from({ length: 8 }, () => ({ code: 0, signal: null, stderr: "" })));
  const files = repository.commits.get(await readFile(join(folder, "refs", "main"), "utf8"))!;
  for (const path of NEEDED) expect([path, hub.bytesOf(path)]).toEqual([path, files.get(path)!.size]);
  await requireSoundCache(folder);
  expect(await filesBelow(join(home, "hub", ".locks"))).toEqual([]);
});

it("a process that died holding the lock is noticed, and one of those who wait goes on", async () => {
  const { hub, home, folder } = await setUp(modelFiles(weights));
  const variables = { HF_ENDPOINT: hub.endpoint, HF_HOME: home };
  hub.faults.add({ on: "cdn", stallAfter: 4_000_000, times: 2 });
  const holder = loadInChild({ ...variables, HF_HUB_DOWNLOAD_TIMEOUT: "600" });
  await until(() => hub.bytesOf("model.safetensors") === 4_611_392);
  const waiting = Array.from({ length: 4 }, () => ended(loadInChild(variables)));
  await until(() => hub.requests.filter(({ kind }) => kind === "tree").length === 5);

  holder.kill("SIGKILL");

  expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  await requireSoundCache(folder);
  expect(hub.bytesOf("model.safetensors")).toBeLessThan(2 * weights.size);
});

it("loads of the same model in one process share the download", async () => {
  const { hub, load } = await setUp(modelFiles(weights));
  const all = await Promise.all(Array.from({ length: 4 }, () => load()));
  expect(new Set(all.map(({ directory }) => directory)).size).toBe(1);
  expect(hub.bytesOf("model.safetensors")).toBe(weights.size);
});
