import { RewardModelScoreError } from "../errors.js";
import type { BatchScores, Dtype, NativeModel, PackedBatch } from "../native/binding.js";

/** One copy of the whole model. */
export interface Replica {
  /** What computes: "cuda:0", or several for a model that is divided. */
  devices: readonly string[];
  native: NativeModel;
}

/** What a replica has done since the model was loaded. */
export interface ReplicaState {
  /** What computes: "cuda:0", or several for a model that is divided. */
  devices: readonly string[];
  /** Batches it has computed. */
  batches: number;
  /** It has run out of memory: batches of so many tokens and more go to other replicas that have room. */
  fullAt?: number;
  /** Why it gets no more work, once its device has failed. */
  failure?: RewardModelScoreError;
}

/**
 * Copies of a model as one model with one queue: every batch goes to the replica with the least to do.
 *
 * A batch at which a replica fails is computed by another one. If that one can, the fault was the device's, and the
 * device gets no more work; if no replica can, the fault is the batch's and the first error is thrown. A replica that
 * ran out of memory gets smaller batches only, as long as others have room: a full device does not hold them back.
 */
export class Replicas implements NativeModel {
  readonly #replicas: Working[];

  /** @param replicas one at least */
  constructor(replicas: readonly Replica[]) {
    this.#replicas = replicas.map((replica) => ({
      ...replica,
      waiting: 0,
      suspected: 0,
      batches: 0,
      fullAt: Infinity,
      failure: undefined,
    }));
  }

  get bytes(): number {
    return this.#replicas.reduce((sum, { native }) => sum + native.bytes, 0);
  }

  get dtype(): Dtype {
    return this.#replicas[0]!.native.dtype;
  }

  get states(): ReplicaState[] {
    return this.#replicas.map(({ devices, batches, fullAt, failure }) => ({
      devices,
      batches,
      ...(fullAt < Infinity && { fullAt }),
      ...(failure && { failure }),
    }));
  }

  async forward(batch: PackedBatch): Promise<BatchScores> {
    const tried = new Map<Working, RewardModelScoreError>();
    try {
      for (;;) {
        const replica = this.#next(batch, tried);
        if (!replica) throw mostHopeful([...tried.values()]);
        const scores = await this.#forwardOn(replica, batch);
        if (!(scores instanceof RewardModelScoreError)) {
          for (const [failed, error] of tried) if (!isOutOfMemory(error)) this.#retire(failed, error);
          return scores;
        }
        tried.set(replica, scores);
        if (!isOutOfMemory(scores)) replica.suspected++;
      }
    } finally {
      for (const [replica, error] of tried) if (!isOutOfMemory(error)) replica.suspected--;
    }
  }

  /** @returns the scores, or why another replica may do better */
  async #forwardOn(replica: Working, batch: PackedBatch): Promise<BatchScores | RewardModelScoreError> {
    replica.waiting++;
    try {
      const scores = await replica.native.forward(batch);
      replica.batches++;
      if (!hasRoom(replica, batch)) replica.fullAt = Infinity;
      return scores;
    } catch (error) {
      if (isOutOfMemory(error)) {
        replica.fullAt = Math.min(replica.fullAt, batch.fields.ids.length);
        return error;
      }
      const mayBeTheDevice = ["ERR_BACKEND", "ERR_DEVICE_UNAVAILABLE"] as const;
      for (const code of mayBeTheDevice) if (RewardModelScoreError.is(error, code)) return error;
      throw error;
    } finally {
      replica.waiting--;
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#replicas.map(({ native }) => native.dispose()));
  }

  /** One that has room, where there is one; among those one that is trusted; among those the least busy one. */
  #next(batch: PackedBatch, tried: ReadonlyMap<Working, unknown>): Working | undefined {
    const order = (replica: Working) =>
      [Number(!hasRoom(replica, batch)), Number(replica.suspected > 0), replica.waiting] as const;
    return this.#replicas
      .filter((replica) => !replica.failure && !tried.has(replica))
      .reduce<Working | undefined>(
        (best, replica) => (best && compare(order(best), order(replica)) <= 0 ? best : replica),
        undefined,
      );
  }

  /** Another replica did the work. The last one that is left keeps its work whatever happens. */
  #retire(replica: Working, failure: RewardModelScoreError): void {
    if (this.#replicas.some((other) => other !== replica && !other.failure)) replica.failure ??= failure;
  }
}

interface Working extends Replica {
  /** Batches that were handed to it and have not come back. */
  waiting: number;
  /** Batches at which it failed and that another one is trying. */
  suspected: number;
  batches: number;
  /** Tokens of the smallest batch at which it ran out of memory, and at which nothing has run since. */
  fullAt: number;
  failure: RewardModelScoreError | undefined;
}

function hasRoom({ fullAt }: Working, batch: PackedBatch): boolean {
  return batch.fields.ids.length < fullAt;
}

function isOutOfMemory(error: unknown): error is RewardModelScoreError {
  return RewardModelScoreError.is(error, "ERR_OUT_OF_MEMORY");
}

/** A batch that is too large for one device may, in parts, run there. */
function mostHopeful(errors: readonly RewardModelScoreError[]): RewardModelScoreError {
  return errors.find(isOutOfMemory) ?? errors[0]!;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const place = a.findIndex((value, i) => value !== b[i]);
  return place < 0 ? 0 : a[place]! - b[place]!;
}
