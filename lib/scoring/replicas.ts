import { RewardModelScoreError } from "../errors.js";
import type { BatchScores, Dtype, NativeModel, PackedBatch } from "../native/binding.js";

/** One device that holds the whole model. */
export interface Replica {
  /** "cuda:0" */
  device: string;
  native: NativeModel;
}

/** What a replica has done since the model was loaded. */
export interface ReplicaState {
  device: string;
  /** Batches it has computed. */
  batches: number;
  /** Why it gets no more work, once its device has failed. */
  failure?: RewardModelScoreError;
}

/**
 * Several devices that each hold the whole model, as one model with one queue: every batch goes to the replica with the
 * least to do.
 *
 * A batch at which a replica fails is computed by another one. If that one can, the fault was the device's, and the
 * device gets no more work; if no replica can, the fault is the batch's and the first error is thrown. Running out of
 * memory is the batch's own affair at once: smaller ones are what helps.
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
    return this.#replicas.map(({ device, batches, failure }) => ({
      device,
      batches,
      ...(failure && { failure }),
    }));
  }

  async forward(batch: PackedBatch): Promise<BatchScores> {
    const failures = new Map<Working, RewardModelScoreError>();
    try {
      for (;;) {
        const replica = this.#leastBusy(failures);
        if (!replica) throw [...failures.values()][0]!;
        const scores = await this.#forwardOn(replica, batch);
        if (!(scores instanceof RewardModelScoreError)) {
          for (const [failed, error] of failures) this.#retire(failed, error);
          return scores;
        }
        failures.set(replica, scores);
        replica.suspected++;
      }
    } finally {
      for (const replica of failures.keys()) replica.suspected--;
    }
  }

  /** @returns the scores, or the failure that may be the device's */
  async #forwardOn(replica: Working, batch: PackedBatch): Promise<BatchScores | RewardModelScoreError> {
    replica.waiting++;
    try {
      const scores = await replica.native.forward(batch);
      replica.batches++;
      return scores;
    } catch (error) {
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

  #leastBusy(tried: ReadonlyMap<Working, unknown>): Working | undefined {
    const usable = this.#replicas.filter((replica) => !replica.failure && !tried.has(replica));
    const trusted = usable.filter(({ suspected }) => suspected === 0);
    return (trusted.length > 0 ? trusted : usable).reduce<Working | undefined>(
      (least, replica) => (least && least.waiting <= replica.waiting ? least : replica),
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
  failure: RewardModelScoreError | undefined;
}
