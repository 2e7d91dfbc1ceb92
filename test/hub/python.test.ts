import { execFile, execFileSync } from "node:child_process";
import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failure, filesBelow, MODEL, NEEDED, requireSoundCache, setUp } from "./support.js";

/** Set PYTHON to one that has huggingface_hub; without it only the recorded expectations are compared. */
const PYTHON = process.env.PYTHON ?? "python3";
const hasClient = (() => {
  try {
    execFileSync(PYTHON, ["-c", "import huggingface_hub"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

async function python(code: string, variables: NodeJS.ProcessEnv): Promise<string> {
  return await new Promise((resolve, reject) => {
    execFile(
      PYTHON,
      ["-c", code],
      { env: { PATH: process.env.PATH, ...variables } },
      (error, stdout, stderr) => (error ? reject(new Error(stderr.slice(-1_000))) : resolve(stdout.trim())),
    );
  });
}

/** What of a cache both clients have to agree on: refs, blobs and snapshots. */
async function layoutOf(folder: string): Promise<Record<string, string>> {
  const layout: Record<string, string> = {};
  for (const path of await filesBelow(folder)) {
    if (!/^(?:refs|blobs|snapshots)\//.test(path)) continue;
    const absolute = join(folder, path);
    const link = (await lstat(absolute)).isSymbolicLink();
    layout[path] = link
      ? `-> ${await readlink(absolute)}`
      : path.startsWith("refs/")
        ? await readFile(absolute, "utf8")
        : "file";
  }
  return layout;
}

it("agrees with the cache that huggingface_hub made of the same repository", async () => {
  // scripts/fixtures/hub_cache.mjs wrote it.
  const text = await readFile(new URL("../fixtures/hub/python-cache.json", import.meta.url), "utf8");
  const recorded = JSON.parse(text) as { layout: Record<string, string> };
  const { folder, load } = await setUp();
  await load();
  expect(await layoutOf(folder)).toEqual(recorded.layout);
});

describe.runIf(hasClient)("Python's huggingface_hub", () => {
  const download = `from huggingface_hub import snapshot_download as s; print(s("${MODEL}"))`;
  const local = `from huggingface_hub import snapshot_download as s; print(s("${MODEL}", local_files_only=True))`;

  it("finds a model that was downloaded here, without the network", async () => {
    const { hub, home, load } = await setUp();
    const { directory } = await load();
    const asked = hub.requests.length;
    const variables = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_OFFLINE: "1" };
    expect(await python(local, variables)).toBe(directory);
    const one = `from huggingface_hub import hf_hub_download as d; print(d("${MODEL}", "model.safetensors"))`;
    expect(await python(one, variables)).toBe(join(directory, "model.safetensors"));
    expect(hub.requests.length).toBe(asked);
  });

  it("leaves a model that loads here with no request at all", async () => {
    const { hub, home, folder, load } = await setUp();
    const directory = await python(download, { HF_ENDPOINT: hub.endpoint, HF_HOME: home });
    const asked = hub.requests.length;
    expect((await load({ localFilesOnly: true })).directory).toBe(directory);
    expect((await load({ revision: directory.split("/").at(-1)! })).directory).toBe(directory);
    expect(hub.requests.length).toBe(asked);
    await requireSoundCache(folder);
  });

  it("leaves a partial model that is known to be partial here, and is completed", async () => {
    const { hub, home, load } = await setUp();
    const some = `from huggingface_hub import snapshot_download as s; print(s("${MODEL}", allow_patterns=["*.json", "*.safetensors"]))`;
    const directory = await python(some, { HF_ENDPOINT: hub.endpoint, HF_HOME: home });
    expect(await failure(load({ localFilesOnly: true }))).toMatchObject({ code: "ERR_OFFLINE" });
    const bytes = hub.bytesOf("model.safetensors");
    expect((await load()).directory).toBe(directory);
    expect(hub.bytesOf("model.safetensors")).toBe(bytes);
    expect((await filesBelow(directory)).filter((path) => NEEDED.includes(path))).toEqual(NEEDED);
  });

  it("and this package at the same time leave a sound cache", async () => {
    const { hub, home, folder, load } = await setUp();
    const [directory, resolved] = await Promise.all([
      python(download, { HF_ENDPOINT: hub.endpoint, HF_HOME: home }),
      load(),
    ]);
    expect(resolved.directory).toBe(directory);
    await requireSoundCache(folder);
  });

  it("finds the cache where it is looked for here, by every variable", async () => {
    const { hub, home } = await setUp();
    const { readHubEnvironment } = await import("#lib/env.js");
    const print =
      "from huggingface_hub import constants as c; print(c.HF_HUB_CACHE, c.HF_TOKEN_PATH, c.ENDPOINT, c.HF_HUB_OFFLINE)";
    for (const variables of [
      {},
      { HF_HOME: "$HOME/here" },
      { HF_HOME: "~/there" },
      { XDG_CACHE_HOME: "/xdg" },
      { HUGGINGFACE_HUB_CACHE: "/old" },
      { HF_HUB_CACHE: "/new", HUGGINGFACE_HUB_CACHE: "/old", HF_TOKEN_PATH: "/token" },
      { HF_ENDPOINT: `${hub.endpoint}/`, HF_HUB_OFFLINE: "yes" },
      { TRANSFORMERS_OFFLINE: "1", HF_HUB_OFFLINE: "" },
      { HF_HUB_OFFLINE: "no" },
    ]) {
      const all = { HOME: process.env.HOME, ...variables };
      const { cacheDir, tokenPath, endpoint, offline } = readHubEnvironment(all);
      expect(await python(print, all)).toBe(
        [cacheDir, tokenPath, endpoint, offline ? "True" : "False"].join(" "),
      );
    }
    expect(home).not.toBe("");
  });
});
