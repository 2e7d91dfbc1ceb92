import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import { libraryFileName } from "#lib/libtorch/library.js";
import { PUBLISHED, type Published } from "#lib/libtorch/published.js";
import { setup, type SetupOptions } from "#lib/libtorch/setup.js";
import { listen } from "../listen.js";
import { makeZip, type ZipEntry } from "./zip.js";
import { temporaryFolder } from "../temporary-folder.js";
import { until } from "../wait.js";

const CPU = `lib/${libraryFileName("torch_cpu")}`;

let directory: string;
let cache: string;

beforeEach(() => {
  directory = temporaryFolder("setup");
  cache = join(directory, "cache");
  vi.stubEnv("REWARD_MODEL_SCORE_CACHE", cache);
  vi.stubEnv("LIBTORCH", "");
  vi.stubEnv("PATH", join(directory, "bin"));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

function download(version = "2.13.0+cpu"): ZipEntry[] {
  return [
    { name: "libtorch/build-version", data: `${version}\n` },
    { name: `libtorch/${CPU}`, data: "cpu" },
    { name: `libtorch/lib/${libraryFileName("c10")}`, data: "c10" },
    { name: `libtorch/lib/${libraryFileName("torch_python")}`, data: "not needed" },
    { name: "libtorch/lib/libdnnl.a", data: "not needed" },
    { name: "libtorch/include/ATen/ATen.h", data: "#pragma once" },
    { name: "libtorch/share/cmake/Torch/TorchConfig.cmake", data: "not needed" },
  ];
}

function wheel({ version = "2.13.0+cpu", cuda = "None" } = {}): ZipEntry[] {
  const files: ZipEntry[] = [
    { name: "torch/version.py", data: `__version__ = '${version}'\ncuda: Optional[str] = ${cuda}\n` },
    { name: "torch/__init__.py", data: "" },
    { name: `torch/${CPU}`, data: "cpu" },
    { name: "torch/lib/libgomp.so.1", data: "gomp" },
    { name: "torch/include/ATen/ATen.h", data: "#pragma once" },
  ];
  const record = files.map(({ name, data }) => {
    const hash = createHash("sha256").update(data).digest("base64url");
    return `${name},sha256=${hash},${data.length}\n`;
  });
  return [...files, { name: `torch-${version}.dist-info/RECORD`, data: record.join("") }];
}

function archive(entries: ZipEntry[], name = "archive.zip"): string {
  const path = join(directory, name);
  writeFileSync(path, makeZip(entries));
  return path;
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** As if these were what PyTorch published. */
function publish(url: string | undefined, ...files: Buffer[]): Published {
  const sums = files.map((file, index): [string, string] => [`${index}.whl`, sha256(file)]);
  return {
    archive: url === undefined ? undefined : { url, sha256: sums[0]![1] },
    wheels: Object.fromEntries(sums),
  };
}

const WHEEL = makeZip(wheel());

async function serve(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}/libtorch%2Bcpu.zip`;
}

/** A python3 whose "pip download" puts this wheel where it is told to. */
function fakePip(wheel: string | undefined): void {
  mkdirSync(join(directory, "bin"));
  const python = join(directory, "bin/python3");
  const copy = wheel ? `/bin/cp "${wheel}" "$dest/torch.whl"` : "exit 1";
  writeFileSync(
    python,
    `#!/bin/sh\n[ "$1" = -c ] && { echo "MAJOR: 3"; exit; }\n` +
      `while [ "$1" != --dest ]; do shift; done; dest="$2"\n${copy}\n`,
  );
  chmodSync(python, 0o755);
}

/** What is left in the cache when nothing was set up. */
function expectNothingLeft(): void {
  expect(existsSync(cache) ? readdirSync(cache) : []).toEqual([]);
}

const NOWHERE = { published: publish(undefined, WHEEL) } satisfies SetupOptions;

describe("setup from a file", () => {
  it("unpacks what is needed of a download, where findLibtorch finds it", async () => {
    const installed = await setup({ offline: archive(download()) });
    const root = join(cache, "libtorch-2.13.0-cpu");
    expect(installed).toEqual({ root, version: "2.13.0+cpu", source: "cache" });
    expect(await findLibtorch()).toEqual(installed);
    expect(readdirSync(root, { recursive: true }).sort()).toEqual(
      ["build-version", "lib", CPU, `lib/${libraryFileName("c10")}`].sort(),
    );
    expect(readFileSync(join(root, CPU), "utf8")).toBe("cpu");
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
  });

  it("unpacks the headers where they are wanted, also later", async () => {
    const offline = archive(download());
    const root = (await setup({ offline }))!.root;
    const header = join(root, "include/ATen/ATen.h");
    expect(existsSync(header)).toBe(false);
    expect((await setup({ offline, headers: true }))?.root).toBe(root);
    expect(readFileSync(header, "utf8")).toBe("#pragma once");
    await setup({ offline });
    expect(existsSync(header)).toBe(true);
    vi.stubEnv("LIBTORCH", root);
    rmSync(join(root, "include"), { recursive: true });
    await expect(setup({ headers: true })).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });

  it("unpacks a wheel, and names the folder after its build", async () => {
    const installed = await setup({ offline: archive(wheel({ version: "2.13.1" }), "torch.whl") });
    expect(installed?.root).toBe(join(cache, "libtorch-2.13.1-cpu"));
    expect(readFileSync(join(installed!.root, "lib/libgomp.so.1"), "utf8")).toBe("gomp");
    expect((await findLibtorch()).version).toBe("2.13.1");
  });

  it("does nothing the second time", async () => {
    const first = await setup({ offline: archive(download()) });
    rmSync(join(directory, "archive.zip"));
    expect(await setup({ offline: join(directory, "archive.zip") })).toEqual(first);
  });

  it("replaces an incomplete folder and what a killed setup left", async () => {
    mkdirSync(join(cache, "libtorch-2.13.0-cpu/lib"), { recursive: true });
    mkdirSync(join(cache, ".setup-killed/libtorch"), { recursive: true });
    await setup({ offline: archive(download()) });
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
    expect((await findLibtorch()).source).toBe("cache");
  });

  it("accepts a CUDA download, which is complete, and refuses a CUDA wheel, which is not", async () => {
    const cuda = archive(wheel({ version: "2.13.0", cuda: "'13.0'" }), "torch.whl");
    await expect(setup({ offline: cuda })).rejects.toMatchObject({
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringContaining("cu130") as string,
    });
    expectNothingLeft();
    const installed = await setup({ offline: archive(download("2.13.0+cu130")) });
    expect(installed?.root).toBe(join(cache, "libtorch-2.13.0-cu130"));
  });

  it.each<[string, string, () => string]>([
    ["a file that does not exist", "ERR_NOT_FOUND", () => join(directory, "none.zip")],
    ["another version", "ERR_RUNTIME_VERSION", () => archive(download("2.9.1+cpu"))],
    ["a wheel of another version", "ERR_RUNTIME_VERSION", () => archive(wheel({ version: "2.9.1" }))],
    ["another zip file", "ERR_CHECKSUM", () => archive([{ name: "readme.txt", data: "hello" }])],
    [
      "a wheel without checksums",
      "ERR_CHECKSUM",
      () => archive(wheel().filter(({ name }) => !name.endsWith("RECORD"))),
    ],
    [
      "a wheel whose list leaves a library out",
      "ERR_CHECKSUM",
      () => archive([...wheel(), { name: "torch/lib/libextra.so", data: "?" }]),
    ],
    [
      "a wheel with another library than its list says",
      "ERR_CHECKSUM",
      () => archive(wheel().map((entry) => (entry.name.endsWith(CPU) ? { ...entry, data: "bad" } : entry))),
    ],
    [
      "a download with a wrong CRC-32",
      "ERR_CHECKSUM",
      () => archive(download().map((entry) => (entry.name.endsWith(CPU) ? { ...entry, crc: 1 } : entry))),
    ],
    [
      "an entry that climbs out of the folder",
      "ERR_CHECKSUM",
      () => archive([...download(), { name: "libtorch/lib/../../../../evil.so", data: "evil" }]),
    ],
    [
      "an absolute entry",
      "ERR_CHECKSUM",
      () => archive([...download(), { name: `${directory}/evil.so`, data: "evil" }]),
    ],
    [
      "a file that was cut",
      "ERR_CHECKSUM",
      () => {
        const path = archive(download());
        writeFileSync(path, readFileSync(path).subarray(0, -30));
        return path;
      },
    ],
    [
      "an empty file",
      "ERR_CHECKSUM",
      () => {
        writeFileSync(join(directory, "empty.zip"), "");
        return join(directory, "empty.zip");
      },
    ],
  ])("refuses %s and leaves nothing behind", async (_what, code, make) => {
    await expect(setup({ offline: make() })).rejects.toMatchObject({ code });
    expectNothingLeft();
    expect(existsSync(join(directory, "evil.so"))).toBe(false);
  });

  it("leaves nothing behind when it is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const work = setup({
      offline: archive(download()),
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(work).rejects.toBe(reason);
    expectNothingLeft();
  });

  it("lets two setups at once do the work once", async () => {
    const offline = archive(download());
    const logs: string[] = [];
    const log = (line: string) => logs.push(line);
    const results = await Promise.all([setup({ offline, log }), setup({ offline, log })]);
    expect(results[0]).toEqual(results[1]);
    expect(logs.filter((line) => line.startsWith("Unpacking"))).toHaveLength(1);
  });
});

describe("setup from the download site", () => {
  // More than one range, so that it can break off in the middle.
  const bytes = makeZip([...download(), { name: "libtorch/lib/libbig.so", data: randomBytes(9_000_000) }]);
  let asked: string[];

  /** A site that has the archive; `spoil` may answer in its place. */
  async function site(
    spoil: (range: string, response: ServerResponse) => boolean = () => false,
  ): Promise<string> {
    asked = [];
    return await serve((request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      const part = first === undefined ? bytes : bytes.subarray(Number(first), Number(last) + 1);
      if (request.method !== "HEAD") asked.push(request.headers.range ?? "all");
      if (request.method !== "HEAD" && spoil(request.headers.range ?? "all", response)) return;
      response.writeHead(first === undefined ? 200 : 206, {
        "content-length": part.length,
        ...(first !== undefined && { "content-range": `bytes ${first}-${last}/${bytes.length}` }),
      });
      response.end(request.method === "HEAD" ? undefined : part);
    });
  }

  it("fetches the archive where the site answers", async () => {
    const published = publish(await site(), bytes);
    const progress: unknown[] = [];
    const installed = await setup({ published, onProgress: (...step) => progress.push(step) });
    expect(installed?.root).toBe(join(cache, "libtorch-2.13.0-cpu"));
    expect(progress).toContainEqual(["download", bytes.length, bytes.length]);
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
  });

  it("tries again what breaks off, and fetches only what did not arrive", async () => {
    let left = 3;
    const url = await site((_range, response) => {
      if (left-- <= 0) return false;
      response.destroy();
      return true;
    });
    await setup({ published: publish(url, bytes) });
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
    expect(new Set(asked).size).toBeLessThan(asked.length);
  });

  it("goes on where an aborted setup stopped", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const first = `bytes=0-${(8 << 20) - 1}`;
    const url = await site((range, response) => {
      if (range === first) return false;
      if (!controller.signal.aborted) return true; // silent, until the other range is there
      void response;
      return false;
    });
    const published = publish(url, bytes);
    const work = setup({
      published,
      signal: controller.signal,
      onProgress: (phase, loaded) => phase === "download" && loaded >= 8 << 20 && controller.abort(reason),
    });
    await expect(work).rejects.toBe(reason);
    asked.length = 0;
    await setup({ published });
    expect(asked).toEqual([`bytes=${8 << 20}-${bytes.length - 1}`]);
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
  });

  it("refuses an archive that is another than was published, however sound it is by itself", async () => {
    const published = publish(await site(), makeZip(download()));
    await expect(setup({ published })).rejects.toMatchObject({ code: "ERR_CHECKSUM" });
    expect(await findLibtorch().catch((error: unknown) => error)).toMatchObject({
      code: "ERR_RUNTIME_NOT_FOUND",
    });
    expect(existsSync(join(cache, ".downloads")) ? readdirSync(join(cache, ".downloads")) : []).not.toContain(
      "libtorch+cpu.zip",
    );
  });

  it("goes to pip where the site has no such file", async () => {
    const url = await serve((_request, response) => response.writeHead(403).end());
    fakePip(archive(wheel(), "torch.whl"));
    expect((await setup({ published: publish(url, WHEEL) }))?.version).toBe("2.13.0+cpu");
  });

  it("knows the sum of whatever it fetches, on every platform", () => {
    const sums = [
      ...Object.values(PUBLISHED.wheels),
      ...(PUBLISHED.archive ? [PUBLISHED.archive.sha256] : []),
    ];
    for (const sum of sums) expect(sum).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(sums).size).toBeGreaterThanOrEqual(20);
    for (const platform of [
      "macosx_14_0_arm64",
      "win_amd64",
      "manylinux_2_28_x86_64",
      "manylinux_2_28_aarch64",
    ]) {
      expect(Object.keys(PUBLISHED.wheels).filter((name) => name.endsWith(`${platform}.whl`))).not.toEqual(
        [],
      );
    }
  });
});

describe("setup with pip", () => {
  it("takes the wheel that pip fetches", async () => {
    fakePip(archive(wheel(), "torch.whl"));
    expect(await setup(NOWHERE)).toEqual({
      root: join(cache, "libtorch-2.13.0-cpu"),
      version: "2.13.0+cpu",
      source: "cache",
    });
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
  });

  it("refuses a wheel that is none of those that were published, and says how to take it all the same", async () => {
    const other = archive([...wheel(), { name: "torch/more.py", data: "" }], "torch.whl");
    fakePip(other);
    await expect(setup(NOWHERE)).rejects.toMatchObject({
      code: "ERR_CHECKSUM",
      message: expect.stringMatching(
        new RegExp(`${sha256(readFileSync(other))}.*pip download .*--offline torch.whl`),
      ) as string,
    });
    expectNothingLeft();
    const logs: string[] = [];
    await setup({ ...NOWHERE, offline: other, log: (line) => void logs.push(line) });
    expect(logs.join("\n")).toMatch(/sha256 .* is not among those that this package knows/);
  });

  it("tells how much has arrived while pip is silent", async () => {
    fakePip(archive(wheel(), "torch.whl"));
    const python = join(directory, "bin/python3");
    const script = readFileSync(python, "utf8");
    const seen = join(directory, "seen");
    // Holds on with a part of the wheel until the part was told.
    writeFileSync(
      python,
      script.replace(
        "/bin/cp",
        `echo 12345 > "$dest/part"; until [ -e "${seen}" ]; do /bin/sleep 0.05; done; /bin/cp`,
      ),
    );
    const told: [string, number, number | undefined][] = [];
    await setup({
      ...NOWHERE,
      onProgress: (...step) => {
        told.push(step);
        if (step[1] === 6) writeFileSync(seen, "");
      },
    });
    expect(told).toContainEqual(["download", 6, undefined]);
  });

  it("stops pip and leaves nothing behind when it is aborted", async () => {
    fakePip(undefined);
    const started = join(directory, "started");
    writeFileSync(
      join(directory, "bin/python3"),
      `#!/bin/sh\n[ "$1" = -c ] && { echo "MAJOR: 3"; exit; }\n: > "${started}"\nexec /bin/sleep 60\n`,
    );
    const controller = new AbortController();
    const reason = new Error("enough");
    const work = setup({ ...NOWHERE, signal: controller.signal });
    await until(() => existsSync(started));
    controller.abort(reason);
    await expect(work).rejects.toBe(reason);
    expectNothingLeft();
  });

  it("says that pip failed", async () => {
    fakePip(undefined);
    await expect(setup(NOWHERE)).rejects.toMatchObject({
      code: "ERR_NETWORK",
      message: expect.stringMatching(/pip download.*status 1/) as string,
    });
    expectNothingLeft();
  });

  it("says what to do where there is no Python either", async () => {
    await expect(setup(NOWHERE)).rejects.toMatchObject({
      code: "ERR_RUNTIME_NOT_FOUND",
      message: expect.stringContaining("--offline") as string,
    });
    expectNothingLeft();
  });
});

describe("setup --device cuda", () => {
  const CUDA = `lib/${libraryFileName("torch_cuda")}`;
  const cuda: SetupOptions = { ...NOWHERE, device: "cuda" };

  /** A python3 whose "pip install" makes these files below the folder that it is told. */
  function fakeInstall(files: Record<string, string>): void {
    const source = join(directory, "packages");
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(source, path)), { recursive: true });
      writeFileSync(join(source, path), text);
    }
    mkdirSync(join(directory, "bin"));
    const python = join(directory, "bin/python3");
    writeFileSync(
      python,
      `#!/bin/sh\n[ "$1" = -c ] && { echo "MAJOR: 3"; exit; }\n` +
        `while [ "$1" != --target ]; do shift; done\n/bin/cp -r "${source}" "$2"\n`,
    );
    chmodSync(python, 0o755);
  }

  const packages = {
    "torch/version.py": `__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n`,
    "torch/__init__.py": "",
    [`torch/${CPU}`]: "cpu",
    [`torch/${CUDA}`]: "cuda",
    "torch/include/ATen/ATen.h": "",
    "nvidia/cublas/lib/libcublas.so.13": "cublas",
    "triton/compiler.py": "",
  };

  it("takes the libraries of the packages that pip installs, in the places where they find each other", async () => {
    fakeInstall(packages);
    const installed = await setup(cuda);
    const folder = join(cache, "libtorch-2.13.0-cu130");
    expect(installed).toEqual({ root: join(folder, "torch"), version: "2.13.0+cu130", source: "cache" });
    expect(await findLibtorch()).toEqual(installed);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.map((entry) => entry.name).sort()).toEqual(
      ["libcublas.so.13", libraryFileName("torch_cpu"), libraryFileName("torch_cuda"), "version.py"].sort(),
    );
    expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cu130"]);
    expect(await setup(cuda)).toEqual(installed);
  });

  it("does not take a build without CUDA that is there, and the CPU takes either", async () => {
    const cpu = await setup({ offline: archive(download()) });
    fakeInstall(packages);
    const installed = await setup(cuda);
    expect(installed?.root).not.toBe(cpu?.root);
    expect(await setup(NOWHERE)).toEqual(installed);
  });

  it("refuses what an index without CUDA serves, and leaves nothing behind", async () => {
    const { [`torch/${CUDA}`]: _, ...cpu } = packages;
    fakeInstall(cpu);
    await expect(setup(cuda)).rejects.toMatchObject({
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringContaining("without CUDA") as string,
    });
    expectNothingLeft();
  });

  it("refuses a file without CUDA", async () => {
    const offline = archive(download());
    await expect(setup({ ...cuda, offline })).rejects.toMatchObject({ code: "ERR_NOT_SUPPORTED" });
    expectNothingLeft();
  });

  it("does not fetch what LIBTORCH would hide", async () => {
    vi.stubEnv("LIBTORCH", (await setup({ offline: archive(download()) }))!.root);
    await expect(setup(cuda)).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });

  it("does not take PyTorch's own download, which leaves CUDA's libraries out", async () => {
    const url = await serve((_request, response) => response.end("unasked"));
    fakeInstall(packages);
    const published = publish(url, WHEEL);
    expect((await setup({ device: "cuda", published }))?.root).toBe(
      join(cache, "libtorch-2.13.0-cu130/torch"),
    );
  });
});

describe("setup without fetching", () => {
  it("changes nothing in a dry run", async () => {
    const logs: string[] = [];
    const options = { ...NOWHERE, dryRun: true, log: (line: string) => void logs.push(line) };
    expect(await setup(options)).toBeUndefined();
    expect(logs.join()).toContain("pip download torch==2.13.0");
    expect(existsSync(cache)).toBe(false);
  });

  it("takes a libtorch that is found", async () => {
    const root = (await setup({ offline: archive(download()) }))!.root;
    vi.stubEnv("REWARD_MODEL_SCORE_CACHE", join(directory, "other"));
    vi.stubEnv("LIBTORCH", root);
    expect(await setup(NOWHERE)).toMatchObject({ root, source: "LIBTORCH" });
    expect(existsSync(join(directory, "other"))).toBe(false);
  });

  it("does not fetch what a wrong LIBTORCH would hide", async () => {
    vi.stubEnv("LIBTORCH", join(directory, "wrong"));
    await expect(setup(NOWHERE)).rejects.toMatchObject({ code: "ERR_RUNTIME_NOT_FOUND" });
    expectNothingLeft();
  });

  it("links a folder of the user's into the cache, also anew", async () => {
    const own = (await setup({ offline: archive(download()) }))!.root;
    vi.stubEnv("REWARD_MODEL_SCORE_CACHE", join(directory, "other"));
    for (let i = 0; i < 2; i++) {
      const linked = await setup({ libtorch: own });
      expect(linked?.root).toBe(join(directory, "other/libtorch-2.13.0-cpu"));
      expect(lstatSync(linked!.root).isSymbolicLink()).toBe(true);
      expect(await findLibtorch()).toEqual(linked);
    }
  });
});
