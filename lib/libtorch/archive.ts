import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { makeFolder } from "../io/make-folder.js";
import { RewardModelScoreError } from "../errors.js";
import { isNeeded } from "./contents.js";
import { pythonVersion } from "./version.js";

/**
 * A zip file that holds a libtorch: PyTorch's own download, with everything below `libtorch/`, or a Python wheel, with
 * the same two folders below `torch/`.
 *
 * Everything that is wrong with the file is ERR_CHECKSUM: its bytes are not those that were published.
 */
export class LibtorchArchive {
  /** "2.13.0+cpu" */
  readonly version: string;
  /** "cpu", "cu130", … */
  readonly flavour: string;
  readonly isWheel: boolean;
  /** Bytes of the files that `unpack` writes. */
  readonly size: number;
  readonly #zip: ZipFile;
  readonly #path: string;
  readonly #files: File[];

  private constructor(
    path: string,
    zip: ZipFile,
    files: File[],
    version: string,
    flavour: string,
    isWheel: boolean,
  ) {
    this.#path = path;
    this.#zip = zip;
    this.#files = files;
    this.version = version;
    this.flavour = flavour;
    this.isWheel = isWheel;
    this.size = files.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
  }

  static async open(path: string, headers: boolean): Promise<LibtorchArchive> {
    try {
      const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
      try {
        return await LibtorchArchive.#read(path, zip, headers);
      } catch (error) {
        zip.close();
        throw error;
      }
    } catch (error) {
      throw damaged(path, error);
    }
  }

  static async #read(path: string, zip: ZipFile, headers: boolean): Promise<LibtorchArchive> {
    const entries = new Map<string, Entry>();
    // Refuses names that are absolute or climb out with "..".
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    const text = async (name: string) => {
      const entry = entries.get(name);
      return entry && (await buffer(await zip.openReadStreamPromise(entry))).toString();
    };

    const download = await text("libtorch/build-version");
    const isWheel = download === undefined;
    const python = isWheel ? await text("torch/version.py") : undefined;
    const version = isWheel ? pythonVersion(python ?? "") : download.trim();
    if (version === undefined) {
      throw new Error("it holds neither libtorch/build-version nor torch/version.py");
    }
    const record = isWheel ? await readRecord(entries, text) : undefined;
    const prefix = isWheel ? "torch/" : "libtorch/";
    const files: File[] = [];
    for (const [name, entry] of entries) {
      if (!name.startsWith(prefix) || !isNeeded(name.slice(prefix.length), headers)) continue;
      const sha256 = record?.get(name);
      if (record && !sha256) throw new Error(`the wheel's RECORD has no checksum of ${name}`);
      files.push({ entry, target: name.slice(prefix.length), sha256 });
    }
    return new LibtorchArchive(path, zip, files, version, flavourOf(version, python), isWheel);
  }

  /** Writes `lib/`, `build-version` and, if wanted, `include/` into a folder, and checks the hash of every file on the way. */
  async unpack(
    directory: string,
    { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: (bytes: number) => void } = {},
  ): Promise<void> {
    let bytes = 0;
    const made = new Set<string>();
    for (const { entry, target, sha256 } of this.#files) {
      signal?.throwIfAborted();
      const path = join(directory, target);
      const parent = dirname(path);
      if (!made.has(parent)) await makeFolder(parent);
      made.add(parent);
      try {
        await this.#write(entry, sha256, path, signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw isSystemError(error) ? error : damaged(this.#path, error, target);
      }
      bytes += entry.uncompressedSize;
      onProgress?.(bytes);
    }
    await writeFile(join(directory, "build-version"), `${this.version}\n`);
  }

  async #write(entry: Entry, sha256: string | undefined, path: string, signal?: AbortSignal): Promise<void> {
    const hash = sha256 === undefined ? undefined : createHash("sha256");
    let checksum = 0;
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (hash) hash.update(chunk);
        else checksum = crc32(chunk, checksum);
        done(null, chunk);
      },
    });
    const source: Readable = await this.#zip.openReadStreamPromise(entry);
    await pipeline(source, check, createWriteStream(path, { flags: "wx" }), ...(signal ? [{ signal }] : []));
    const intact = hash ? hash.digest("base64url") === sha256 : checksum === entry.crc32;
    if (intact) return;
    await rm(path);
    throw new Error(`its ${hash ? "sha256" : "CRC-32"} is not the published one`);
  }

  close(): void {
    this.#zip.close();
  }
}

interface File {
  entry: Entry;
  /** Path below the root of libtorch. */
  target: string;
  /** base64url, as a wheel's RECORD writes it; a plain zip has only the CRC-32 in its directory. */
  sha256: string | undefined;
}

/** The wheel's own list of `path,sha256=hash,size`. */
async function readRecord(
  entries: Map<string, Entry>,
  text: (name: string) => Promise<string | undefined>,
): Promise<Map<string, string>> {
  const name = [...entries.keys()].find((name) => /^torch-[^/]+\.dist-info\/RECORD$/.test(name));
  if (name === undefined) throw new Error("the wheel has no RECORD of checksums");
  const lines = ((await text(name)) ?? "").split("\n");
  const hashes = lines.map((line) => /^(.+),sha256=([\w-]+),\d+\r?$/.exec(line));
  return new Map(hashes.flatMap((match) => (match ? [[match[1] as string, match[2] as string]] : [])));
}

/** "2.13.0+cu130" states it; a wheel without such an ending states it in `cuda: Optional[str] = '13.0'`. */
export function flavourOf(version: string, python: string | undefined): string {
  const local = version.split("+")[1];
  if (local !== undefined) return local;
  const cuda = /^cuda\b[^=]*=\s*['"]([\d.]+)['"]/m.exec(python ?? "")?.[1];
  return cuda === undefined ? "cpu" : `cu${cuda.replace(".", "")}`;
}

function damaged(path: string, cause: unknown, file?: string): Error {
  if (isSystemError(cause)) {
    return new RewardModelScoreError(
      "ERR_IO",
      `${path} cannot be read: ${cause.message}`,
      { path },
      { cause },
    );
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RewardModelScoreError(
    "ERR_CHECKSUM",
    `${path} is damaged or not an archive of libtorch: ${file ? `${file}: ` : ""}${reason}. Fetch it again.`,
    { path },
    { cause },
  );
}

/** Errors of the file system have an errno; zlib's have one too, but it is a complaint about the bytes. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
