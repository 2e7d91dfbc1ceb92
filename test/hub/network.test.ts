import * as timers from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { parseRetryAfter, TransientError, waitAfter } from "#lib/download/retry.js";
import { startProxy } from "./proxy.js";
import { failure, filesBelow, NEEDED, setUp } from "./support.js";

/** What is waited for takes no time here. */
const waits: number[] = [];
vi.mock("node:timers/promises", async (original) => {
  const actual = await original<typeof timers>();
  const setTimeout: typeof timers.setTimeout = (wait, ...rest) => {
    waits.push(wait!);
    return actual.setTimeout(0, ...rest);
  };
  return { ...actual, setTimeout };
});

describe("a proxy", () => {
  it("is used for every host", async () => {
    const { hub, load } = await setUp();
    const proxy = await startProxy();
    const { directory } = await load({}, { HTTP_PROXY: proxy.url });
    expect(await filesBelow(directory)).toEqual(NEEDED);
    expect(new Set(proxy.asked)).toEqual(new Set([hub.endpoint, hub.cdn].map((url) => new URL(url).host)));
  });

  it("is not used for the hosts in NO_PROXY", async () => {
    const { hub, load } = await setUp();
    const proxy = await startProxy();
    await load({}, { HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.1" });
    expect(new Set(proxy.asked)).toEqual(new Set([new URL(hub.cdn).host]));
  });

  it("that does not answer is a network error", async () => {
    const { load } = await setUp();
    expect(await failure(load({}, { HTTP_PROXY: "http://127.0.0.1:9" }))).toMatchObject({
      code: "ERR_NETWORK",
    });
  });
});

it("refuses an endpoint that is no address", async () => {
  const { load } = await setUp();
  expect(await failure(load({}, { HF_ENDPOINT: "huggingface.co" }))).toMatchObject({
    code: "ERR_INVALID_OPTION",
    details: { option: "HF_ENDPOINT" },
  });
});

it("reads how long to wait from Retry-After and from RateLimit", () => {
  const now = Date.parse("2025-01-01T00:00:00Z");
  expect(parseRetryAfter({ retryAfter: "12" })).toBe(12_000);
  expect(parseRetryAfter({ retryAfter: "Wed, 01 Jan 2025 00:00:30 GMT" }, now)).toBe(30_000);
  expect(parseRetryAfter({ retryAfter: "Tue, 31 Dec 2024 00:00:00 GMT" }, now)).toBe(0);
  expect(parseRetryAfter({ rateLimit: '"resolvers";r=0;t=55' })).toBe(55_000);
  expect(parseRetryAfter({ retryAfter: "soon" })).toBeUndefined();
});

it("waits as long as Retry-After says", async () => {
  const { hub, load } = await setUp();
  hub.faults.add({ on: "info", status: 429, headers: { "Retry-After": "2" } });
  waits.length = 0;
  await load();
  expect(waits).toEqual([2_000]);
});

it("waits twice as long after each failure, up to a limit, and never exactly as long as others", () => {
  const policy = { attempts: 9, baseDelay: 100, maxDelay: 1_000, maxRetryAfter: 60_000 };
  const waits = (random: number, retryAfter?: number) => {
    const spy = vi.spyOn(Math, "random").mockReturnValue(random);
    const error = new TransientError("status 503", "http://hub/", retryAfter);
    const all = [1, 2, 3, 4, 5, 6].map((attempt) => waitAfter(policy, attempt, error));
    spy.mockRestore();
    return all;
  };
  expect(waits(1)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(waits(0)).toEqual([50, 100, 200, 400, 500, 500]);
  expect(waits(1, 500)).toEqual([500, 500, 500, 800, 1_000, 1_000]);
});
