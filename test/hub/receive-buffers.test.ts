import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { Agent, request } from "undici";
import { expect, it, onTestFinished } from "vitest";
import { connectToHub } from "#lib/hub/connect.js";
import { ReceiveBuffers } from "#lib/download/receive-buffers.js";
import { readHubEnvironment } from "#lib/env.js";
import { listen } from "../listen.js";
import { sendContent } from "./server/body.mjs";
import { Content } from "./server/content.mjs";
import { failure } from "./support.js";

// For "localhost" only, trusted by nobody; made with: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes
// -days 36500 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout localhost.key.pem -out localhost.crt.pem
const pem = (name: string) => readFileSync(new URL(`../fixtures/hub/localhost.${name}.pem`, import.meta.url));

/** A server that answers every request with the same content. */
async function serve(content: Content, protocol: string): Promise<string> {
  const answer: RequestListener = (incoming, response) =>
    void sendContent(incoming, response, content, { etag: "1" });
  const server =
    protocol === "https"
      ? createHttpsServer({ key: pem("key"), cert: pem("crt") }, answer)
      : createHttpServer(answer);
  return `${protocol}://localhost:${await listen(server, "localhost")}/`;
}

function open(buffers: ReceiveBuffers): Agent {
  const agent = new Agent({ connect: buffers.connector({ ca: pem("crt") }) });
  onTestFinished(() => agent.destroy());
  return agent;
}

/** The pieces of a body as `Source` reads them: in events, with pauses in which more arrives. */
async function read(body: Readable, take: (piece: Buffer) => void): Promise<void> {
  let count = 0;
  await new Promise<void>((resolve, reject) => {
    body.on("end", resolve).on("error", reject);
    body.on("data", (piece: Buffer) => {
      take(piece);
      if (++count % 10 !== 0) return;
      body.pause();
      setImmediate(() => body.resume());
    });
  });
}

it.each(["http", "https"])("what was not released stays, over %s", async (protocol) => {
  const content = Content.generated(5_000_000, 51);
  const whole = content.bytes();
  const url = await serve(content, protocol);
  const buffers = new ReceiveBuffers();
  const dispatcher = open(buffers);
  const kept: { at: number; piece: Buffer }[] = [];
  for (let round = 0; round < 3; round += 1) {
    const { body } = await request(url, { dispatcher });
    let at = 0;
    await read(body, (piece) => {
      expect(piece.equals(whole.subarray(at, at + piece.length))).toBe(true);
      // One of three stays: what is beside it in memory has to stay too.
      if (Math.floor(at / 100_000) % 3 === 0) kept.push({ at, piece });
      else buffers.release(piece);
      at += piece.length;
    });
    expect(at).toBe(content.size);
  }
  expect(kept.length).toBeGreaterThan(10);
  for (const { at, piece } of kept) expect(piece.equals(whole.subarray(at, at + piece.length))).toBe(true);
});

it("what was released is read into again", async () => {
  const content = Content.generated(40_000_000, 52);
  const url = await serve(content, "http");
  const buffers = new ReceiveBuffers();
  const hash = createHash("sha256");
  const memory = new Set<ArrayBufferLike>();
  let held: Buffer[] = [];
  const releaseAll = () => {
    for (const piece of held) {
      hash.update(piece);
      buffers.release(piece);
    }
    held = [];
  };
  const { body } = await request(url, { dispatcher: open(buffers) });
  await read(body, (piece) => {
    memory.add(piece.buffer);
    if (held.push(piece) === 10) releaseAll();
  });
  releaseAll();
  expect(hash.digest("hex")).toBe(content.sha256);
  const bytes = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(bytes).toBeLessThan(content.size / 4);
});

it("takes back what did not come from a socket", () => {
  expect(() => new ReceiveBuffers().release(Buffer.from("from elsewhere"))).not.toThrow();
});

it("a certificate that is not trusted is an error that says how to trust it", async () => {
  const url = await serve(Content.of("{}"), "https");
  await using connection = connectToHub(readHubEnvironment({ HF_ENDPOINT: url }), undefined);
  const error = await failure(connection.send(url, { idleTimeout: 5_000 }));
  expect(error).toMatchObject({ code: "ERR_NETWORK" });
  expect(error.message).toMatch(/not trusted.*NODE_EXTRA_CA_CERTS/);
});
