import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseRetryAfter } from "#lib/hub/retry.js";
import { failure, filesBelow, NEEDED, setUp } from "./support.js";

/** A proxy that tunnels, and the hosts that it was asked for. */
async function startProxy(): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server: Server = createServer((_, response) => response.writeHead(500).end());
  server.on("connect", (request, socket, head: Buffer) => {
    asked.push(request.url ?? "");
    const [host, port] = (request.url ?? "").split(":");
    const target = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked };
}

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
