/** Where bytes go. */
export interface ByteSink {
  /** For messages. */
  readonly name: string;
  /** Where the bytes stay when the work is not finished; undefined where they are gone. */
  readonly partial: string | undefined;
  /** Resolves when they are written. */
  append(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  abandon(): Promise<void>;
}
