/** How far a download is. `loaded` counts every byte that is there, also what the cache or an earlier attempt had. */
export interface DownloadProgress {
  /** The repository. */
  model: string;
  /** The file that the news is about. */
  file: string;
  /** Bytes of all files that are there. */
  loaded: number;
  /** Bytes of all files. */
  total: number;
}

/** Adds up the bytes of all files. */
export class ProgressCounter {
  #loaded = 0;

  constructor(
    private readonly model: string,
    private readonly total: number,
    private readonly report: ((progress: DownloadProgress) => void) | undefined,
  ) {}

  /** `bytes` is negative when bytes turned out wrong and are fetched again. */
  add(file: string, bytes: number): void {
    if (bytes === 0) return;
    this.#loaded += bytes;
    this.report?.({ model: this.model, file, loaded: this.#loaded, total: this.total });
  }
}
