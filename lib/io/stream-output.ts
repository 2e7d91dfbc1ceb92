import { open, type FileHandle } from "node:fs/promises";
import type { ByteSink } from "./byte-sink.js";

/** Standard output. */
export class StandardOutput implements ByteSink {
  readonly name = "standard output";
  readonly partial = undefined;

  constructor() {
    // Whoever writes is told of errors; without a listener they would end the process.
    process.stdout.on("error", () => {});
  }

  append(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  async commit(): Promise<void> {}

  async abandon(): Promise<void> {}
}

/** A pipe or a device: what is written is gone. */
export class StreamOutput implements ByteSink {
  readonly partial = undefined;

  private constructor(
    readonly name: string,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string): Promise<StreamOutput> {
    // Appends, since the name may also stand for an open file of this process.
    return new StreamOutput(path, await open(path, "a"));
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray((await this.handle.write(rest)).bytesWritten);
    }
  }

  async commit(): Promise<void> {
    await this.handle.close();
  }

  /** Does not wait for a reader. */
  abandon(): Promise<void> {
    void this.handle.close().catch(() => {});
    return Promise.resolve();
  }
}
