/** A package registry on this machine that has the packages as if they were published, and sends all else upstream. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Published {
  manifest: { name: string; version: string };
  /** Path of the package's file; a package for another platform, whose file nobody fetches, has none. */
  tarball?: string;
}

export class Registry {
  readonly #packages: Map<string, Published>;
  readonly #server: Server;
  readonly #upstream: string;
  /** Names of packages whose file was fetched. */
  readonly fetched = new Set<string>();

  private constructor(packages: Published[], upstream: string) {
    this.#packages = new Map(packages.map((published) => [published.manifest.name, published]));
    this.#upstream = upstream;
    this.#server = createServer((request, response) => this.#answer(request.url ?? "/", response));
  }

  static async start(packages: Published[]): Promise<Registry> {
    const upstream = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
    const registry = new Registry(packages, upstream.replace(/\/$/, ""));
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(url: string, response: ServerResponse): void {
    const path = decodeURIComponent(url.slice(1).replace(/\?.*/, ""));
    const file = /^files\/(.+)\.tgz$/.exec(path)?.[1];
    if (file !== undefined) {
      this.fetched.add(file);
      const tarball = this.#packages.get(file)?.tarball;
      response.writeHead(tarball ? 200 : 404).end(tarball && readFileSync(tarball));
      return;
    }
    const published = this.#packages.get(path);
    if (published) {
      response.setHeader("content-type", "application/json").end(JSON.stringify(this.#packument(published)));
    } else {
      response.writeHead(302, { location: this.#upstream + url }).end();
    }
  }

  #packument({ manifest, tarball }: Published): unknown {
    const { name, version } = manifest;
    const content = tarball === undefined ? Buffer.alloc(0) : readFileSync(tarball);
    const dist = {
      tarball: `${this.url}/files/${encodeURIComponent(name)}.tgz`,
      integrity: `sha512-${createHash("sha512").update(content).digest("base64")}`,
      shasum: createHash("sha1").update(content).digest("hex"),
    };
    return {
      name,
      "dist-tags": { latest: version },
      versions: { [version]: { ...manifest, dist } },
      time: { [version]: "2026-01-01T00:00:00.000Z" },
    };
  }
}
