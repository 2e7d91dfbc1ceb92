import { RewardModelScoreError } from "../errors.js";
import { abortable, deferred } from "../abortable.js";
import { Call, type CallOptions } from "../scoring/call.js";

interface Resource {
  close(): Promise<void>;
}

type Open<R, News> = (signal: AbortSignal, tell: (news: News) => boolean) => Promise<R>;

/**
 * Loads and unloads, called in any order and while others are under way, as if one came after the other.
 *
 * All callers of `load` share one loading. Each is told how far it is, and each may give up for itself; when the last of
 * them does, the loading stops. `unload` takes effect at once: what is loaded then, or is being loaded, is given up, and
 * a `load` that follows begins anew, when what was there before is gone.
 */
export class LifeCycle<R extends Resource, News> {
  readonly #open: Open<R, News>;
  /** What `load` waits for or has brought; not what was given up. */
  #loading: Loading<R, News> | undefined;
  /** Loadings that were given up and are not gone yet. */
  readonly #ending = new Set<Promise<void>>();

  /**
   * @param open gets a signal that is aborted when nobody waits any more, and a function that tells all who wait and
   *   returns whether anybody listens
   */
  constructor(open: Open<R, News>) {
    this.#open = open;
  }

  /** What is loaded. */
  get resource(): R | undefined {
    return this.#loading?.resource;
  }

  /** @throws ERR_INVALID_OPTION; ERR_NOT_LOADED when `unload` is called meanwhile */
  load(options: CallOptions<News>): Promise<void> {
    const done = deferred<void>();
    this.#load(options).then(done.resolve, (error: unknown) => {
      // Whoever unloads what is being loaded, and does not wait for the load, need not hear of it.
      if (RewardModelScoreError.is(error, "ERR_NOT_LOADED")) done.promise.catch(() => {});
      done.reject(error);
    });
    return done.promise;
  }

  /** Resolves when nothing is left of what was loaded before. */
  async unload(): Promise<void> {
    if (this.#loading) this.#end(this.#loading, overtaken());
    await Promise.all(this.#ending);
  }

  async #load(options: CallOptions<News>): Promise<void> {
    const call = new Call<News>(options);
    call.signal.throwIfAborted();
    const loading = (this.#loading ??= this.#start());
    try {
      await loading.join(call);
    } catch (error) {
      if (!loading.isWanted) this.#end(loading, error);
      throw error;
    }
  }

  #start(): Loading<R, News> {
    const before = Promise.allSettled(this.#ending);
    return new Loading(async (signal, tell) => {
      await before;
      signal.throwIfAborted();
      return this.#open(signal, tell);
    });
  }

  #end(loading: Loading<R, News>, reason: unknown): void {
    if (this.#loading !== loading) return;
    this.#loading = undefined;
    const end = loading.end(reason);
    this.#ending.add(end);
    const gone = () => this.#ending.delete(end);
    end.then(gone, gone);
  }
}

/** One loading, those who wait for it, and what it has brought. */
class Loading<R extends Resource, News> {
  readonly #stop = new AbortController();
  readonly #waiting = new Set<Call<News>>();
  readonly #opened: Promise<R>;
  #failed = false;
  #taken = false;
  resource: R | undefined;

  constructor(open: Open<R, News>) {
    this.#opened = open(this.#stop.signal, (news) => this.#tell(news));
    this.#opened.then(
      (resource) => (this.resource = resource),
      () => (this.#failed = true),
    );
  }

  /** Somebody waits for it, or has been told that it is there. */
  get isWanted(): boolean {
    return !this.#failed && (this.#taken || this.#waiting.size > 0);
  }

  async join(call: Call<News>): Promise<void> {
    const signal = AbortSignal.any([call.signal, this.#stop.signal]);
    this.#waiting.add(call);
    try {
      await abortable(() => this.#opened.then(() => call.answered()), signal);
      this.#taken = true;
    } finally {
      this.#waiting.delete(call);
    }
  }

  /** Stops it, or takes back what it has brought. */
  async end(reason: unknown): Promise<void> {
    this.#stop.abort(reason);
    const resource = await this.#opened.catch(() => undefined);
    await resource?.close();
  }

  #tell(news: News): boolean {
    // All are told, whoever listens.
    return [...this.#waiting].map((call) => call.tell(news)).includes(true);
  }
}

function overtaken(): RewardModelScoreError<"ERR_NOT_LOADED"> {
  return new RewardModelScoreError(
    "ERR_NOT_LOADED",
    "unload() was called while the model was being loaded. Call load() again.",
    {},
  );
}
