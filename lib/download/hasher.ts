import { Worker } from "node:worker_threads";
import { RewardModelScoreError } from "../errors.js";
import type { HashAnswer, HashRequest } from "./hash-worker.js";

/** Hashes files in a thread of its own while they grow: the event loop stays free, and the end of a download is short. */
export class Hasher implements AsyncDisposable {
  #worker: Worker | undefined;
  #nextId = 0;
  readonly #waiting = new Map<number, (answer: HashAnswer) => void>();

  /** `oid` says by its length which hash it is: sha256, or a git object id. */
  follow(path: string, size: number, oid: string): FileHash {
    const file = {
      id: this.#nextId++,
      path,
      size,
      digits: oid.length === 64 ? (64 as const) : (40 as const),
    };
    return new FileHash(size, (to, last) => this.#send({ ...file, to, last }));
  }

  /** The hash of a whole file. */
  async hash(path: string, size: number, oid: string): Promise<string> {
    return await this.follow(path, size, oid).digest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #send(request: HashRequest): Promise<string> | undefined {
    this.#worker ??= this.#start();
    const answer = request.last
      ? new Promise<string>((resolve, reject) => {
          this.#waiting.set(request.id, ({ digest, error }) =>
            digest === undefined ? reject(unreadable(request.path, error)) : resolve(digest),
          );
        })
      : undefined;
    this.#worker.postMessage(request);
    return answer;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./hash-worker.js", import.meta.url));
    worker.on("message", (answer: HashAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    worker.on("error", (error) => {
      for (const [id, done] of this.#waiting) done({ id, error });
      this.#waiting.clear();
    });
    return worker;
  }
}

/** What comes out of another thread has lost the marks of an error of the system. */
function unreadable(path: string, cause: Error | undefined): RewardModelScoreError {
  const reason = cause?.message ?? "no digest";
  return new RewardModelScoreError("ERR_IO", `${path} cannot be read: ${reason}.`, { path }, { cause });
}

/** Bytes that are hashed together, so that the two threads talk little. */
const STRIDE = 4 << 20;

export class FileHash {
  #told = 0;

  constructor(
    private readonly size: number,
    private readonly send: (to: number, last: boolean) => Promise<string> | undefined,
  ) {}

  /** Everything before `frontier` is in the file now. */
  advance(frontier: number): void {
    if (frontier - this.#told < STRIDE) return;
    this.#told = frontier;
    void this.send(frontier, false);
  }

  /** The file is complete. */
  async digest(): Promise<string> {
    return (await this.send(this.size, true)) ?? "";
  }
}
