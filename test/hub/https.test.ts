import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createServer } from "node:tls";
import { expect, it } from "vitest";
import { listen } from "../listen.js";
import { ended, filesBelow, loadInChild, setUp } from "./support.js";
import { startProxy } from "./proxy.js";

const pem = (name: string) => new URL(`../fixtures/hub/localhost.${name}.pem`, import.meta.url);

/** An https address for a server that speaks http. */
async function secured(url: string): Promise<string> {
  const { port, hostname } = new URL(url);
  const server = createServer({ key: readFileSync(pem("key")), cert: readFileSync(pem("crt")) }, (socket) => {
    const inner = connect(Number(port), hostname);
    socket.pipe(inner).pipe(socket);
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
  });
  return `https://localhost:${await listen(server, "localhost")}`;
}

async function securedHub() {
  const setup = await setUp();
  const endpoint = await secured(setup.hub.endpoint);
  const variables = {
    HF_ENDPOINT: endpoint,
    HF_HOME: setup.home,
    NODE_EXTRA_CA_CERTS: fileURLToPath(pem("crt")),
  };
  return { ...setup, endpoint, variables };
}

it("downloads over https, through the proxy of HTTPS_PROXY", async () => {
  const { hub, cache, endpoint, variables } = await securedHub();
  hub.cdn = await secured(hub.cdn);
  const proxy = await startProxy();
  expect(await ended(loadInChild({ ...variables, HTTPS_PROXY: proxy.url }))).toMatchObject({ code: 0 });
  expect(new Set(proxy.asked)).toEqual(new Set([endpoint, hub.cdn].map((url) => new URL(url).host)));
  expect((await filesBelow(cache)).some((path) => path.endsWith("/model.safetensors"))).toBe(true);
});

it("downloads over https without a proxy, and not from a host that it would have to leave https for", async () => {
  const { hub, cache, variables } = await securedHub();
  const { code, stderr } = await ended(loadInChild(variables)); // the second host is still http
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining("redirects to an address that is not followed"),
  ]);
  expect(hub.downloads("model.safetensors")).toEqual([]);
  expect((await filesBelow(cache)).some((path) => path.includes("/snapshots/"))).toBe(false);
  hub.cdn = await secured(hub.cdn);
  expect(await ended(loadInChild(variables))).toMatchObject({ code: 0 });
});
