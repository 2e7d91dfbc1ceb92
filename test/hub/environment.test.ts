import { homedir } from "node:os";
import { expect, it } from "vitest";
import { readHubEnvironment } from "#lib/env.js";

// What Python's client makes of the same variables is compared in python.test.ts.

it("is huggingface_hub's without any variable", () => {
  expect(readHubEnvironment({})).toMatchObject({
    endpoint: "https://huggingface.co",
    cacheDir: `${homedir()}/.cache/huggingface/hub`,
    tokenPath: `${homedir()}/.cache/huggingface/token`,
    token: undefined,
    offline: false,
    apiTimeout: 10_000,
    downloadTimeout: 10_000,
  });
});

it("puts the cache where the most special variable says", () => {
  const all = {
    XDG_CACHE_HOME: "/xdg",
    HF_HOME: "/home",
    HUGGINGFACE_HUB_CACHE: "/old",
    HF_HUB_CACHE: "/new",
  };
  const { HF_HUB_CACHE: _new, ...old } = all;
  const { HUGGINGFACE_HUB_CACHE: _old, ...home } = old;
  expect(readHubEnvironment(all).cacheDir).toBe("/new");
  expect(readHubEnvironment(old).cacheDir).toBe("/old");
  expect(readHubEnvironment(home)).toMatchObject({ cacheDir: "/home/hub", tokenPath: "/home/token" });
  expect(readHubEnvironment({ XDG_CACHE_HOME: "/xdg" }).cacheDir).toBe("/xdg/huggingface/hub");
  expect(
    readHubEnvironment({ HF_HOME: "~/hf", HF_HUB_CACHE: "${ROOT}/$NAME", ROOT: "/r", NAME: "n" }),
  ).toMatchObject({
    cacheDir: "/r/n",
    tokenPath: `${homedir()}/hf/token`,
  });
});

it("reads flags with Python's four words for true", () => {
  for (const word of ["1", "on", "Yes", "TRUE"])
    expect(readHubEnvironment({ HF_HUB_OFFLINE: word }).offline).toBe(true);
  for (const word of ["0", "off", "no", "", "2"])
    expect(readHubEnvironment({ HF_HUB_OFFLINE: word }).offline).toBe(false);
  expect(readHubEnvironment({ TRANSFORMERS_OFFLINE: "1" }).offline).toBe(true);
});

it("reads timeouts in seconds and proxies in both cases", () => {
  const variables = {
    HF_HUB_DOWNLOAD_TIMEOUT: "2.5",
    https_proxy: "http://a",
    HTTPS_PROXY: "http://b",
    NO_PROXY: "c",
  };
  expect(readHubEnvironment(variables)).toMatchObject({
    downloadTimeout: 2_500,
    proxy: { http: undefined, https: "http://a", none: "c" },
  });
  expect(() => readHubEnvironment({ HF_HUB_ETAG_TIMEOUT: "soon" })).toThrow(/HF_HUB_ETAG_TIMEOUT.*soon/);
});
