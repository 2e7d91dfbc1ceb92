/** How far a download is. `loaded` counts every byte that is there, also what the cache or an earlier attempt had. */
export interface DownloadProgress {
  model: string;
  /** The file that the news is about. */
  file: string;
  /** Bytes of all files. */
  loaded: number;
  total: number;
}

const INTERVAL = 100; // milliseconds between two reports: more help nobody

/** Adds up the bytes of all files and reports them, not too often, and always the last. */
export class ProgressCounter {
  #loaded = 0;
  #reported = -1;
  #reportedAt = 0;

  constructor(
    private readonly model: string,
    private readonly total: number,
    private readonly report: ((progress: DownloadProgress) => void) | undefined,
  ) {}

  /** `bytes` is negative when bytes turned out wrong and are fetched again. */
  add(file: string, bytes: number): void {
    this.#loaded += bytes;
    const complete = this.#loaded === this.total;
    if (!this.report || this.#loaded === this.#reported) return;
    if (!complete && Date.now() - this.#reportedAt < INTERVAL) return;
    this.#reported = this.#loaded;
    this.#reportedAt = Date.now();
    this.report({ model: this.model, file, loaded: this.#loaded, total: this.total });
  }
}
