import { join } from "node:path";
import * as v from "valibot";
import { readStatedActivation } from "../../architectures/stated-activation.js";
import { readStatistics, type RewardStatistics } from "../../architectures/statistics.js";
import type { Pack } from "../../batching/packed.js";
import { planPaddedBatches } from "../../batching/padded.js";
import type { EncodedRow } from "../../batching/row.js";
import type { Assignment } from "../../device-map/assignment.js";
import { DTYPE_BYTES } from "../../device-map/checkpoint-tree.js";
import { isAccelerator } from "../../device-map/limits.js";
import { placeableWhole } from "../../device-map/placeable-whole.js";
import type { Placeable, Processor } from "../../device-map/placeable.js";
import { RewardModelScoreError } from "../../errors.js";
import { exists } from "../../io/exists.js";
import { readJson } from "../../model-files/json.js";
import type { Dtype, NativeBinding } from "../../native/binding.js";
import type { ResolvedOptions } from "../../options.js";
import type { ScoringModel } from "../../scoring/scoring-model.js";
import { joinFields } from "../../tokenizer/token-fields.js";
import { computeDtype, computeDtypes } from "../compute-dtype.js";
import { loadReplicas } from "../load-replicas.js";
import type { ModelFiles } from "../locate.js";
import { sizeOf, type Loading, type ModelInputs, type ModelSource } from "./source.js";

const padConfig = v.object({
  pad_token_id: v.optional(
    v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 31 - 1))),
  ),
});

/**
 * Opens a TorchScript archive, whoever exported it. It pools by itself, runs on right-padded batches, and says nothing of
 * its rows.
 */
export async function openArchive(
  binding: NativeBinding,
  { directory, archive }: ModelFiles,
): Promise<ArchiveSource | undefined> {
  if (archive === undefined) return undefined;
  const bytes = await sizeOf([archive]);
  const config = await readConfig(directory);
  return new ArchiveSource(binding, archive, config, bytes, await weightType(binding, archive));
}

async function readConfig(directory: string): Promise<unknown> {
  const path = join(directory, "config.json");
  return (await exists(path)) ? await readJson(path) : undefined;
}

/** float32 also for an archive that holds more than modules and tensors, which only libtorch can read. */
async function weightType(binding: NativeBinding, archive: string): Promise<Dtype> {
  const checkpoint = await binding.openCheckpoint([archive]).catch(() => undefined);
  const stored = checkpoint?.tensors.find(({ dtype }) => /^B?F\d+$/.test(dtype))?.dtype;
  checkpoint?.close();
  return stored === "F16" ? "float16" : stored === "BF16" ? "bfloat16" : "float32";
}

export class ArchiveSource implements ModelSource {
  readonly inputs: ModelInputs = {};
  readonly unusedTensors: readonly string[] = [];
  readonly warnings: readonly string[] = [];
  readonly labels = undefined;

  /**
   * @param config config.json beside it, if there is one
   * @param stored the type of the archive's weights
   */
  constructor(
    private readonly binding: NativeBinding,
    private readonly path: string,
    private readonly config: unknown,
    readonly bytes: number,
    private readonly stored: Dtype,
  ) {}

  get statistics(): RewardStatistics | undefined {
    return readStatistics(this.config);
  }

  get statedActivation(): string | undefined {
    return readStatedActivation(this.config);
  }

  placeable(torchDtype: ResolvedOptions["torchDtype"]): Placeable {
    const dtypeOn = (where: Processor) => computeDtype(torchDtype, this.stored, where);
    return placeableWhole(dtypeOn, (where) => {
      // Not all of a float32 archive is narrowed where another type is asked for.
      const dtype = this.stored === "float32" ? "float32" : dtypeOn(where);
      const kept = where === "cpu" ? this.binding.packedDtype(dtype) : dtype;
      return (this.bytes / DTYPE_BYTES[this.stored]) * DTYPE_BYTES[kept];
    });
  }

  async open(
    { map, replicas }: Assignment,
    options: ResolvedOptions,
    _tokenizer: unknown,
    { onProgress }: Loading,
  ): Promise<ScoringModel> {
    if (Object.values(map).includes("disk")) throw onDisk();
    const padTokenId = readPadTokenId(this.config);
    const native = await loadReplicas(replicas, onProgress, ({ executionDevice }, report) =>
      this.binding.loadArchive({
        path: this.path,
        device: executionDevice,
        dtypes: computeDtypes(options.torchDtype, isAccelerator(executionDevice) ? "accelerator" : "cpu"),
        threads: options.threads ?? 0,
        padTokenId: padTokenId ?? 0,
        onProgress: report,
      }),
    );
    return {
      native,
      deviceMap: map,
      toRow: (fields) => ({ fields, pooled: [], gates: [] }),
      plan: (rows, budget) => {
        const lengths = rows.map(({ fields }) => fields.ids.length);
        const batches = planPaddedBatches(lengths, budget, padTokenId !== undefined);
        return batches.map((members) => toPack(rows, members));
      },
      maxBatchTokens: options.maxBatchTokens,
      scoreShape: { perStep: false, attributes: options.attributes, names: {} },
      weightsPerToken: undefined,
    };
  }

  close(): void {}
}

function onDisk(): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `A TorchScript archive is loaded into memory as a whole and cannot stay on the disk. Give it a device with room, ` +
      `or use the model's weights, whose layers can be left there.`,
    { feature: "an archive on the disk" },
  );
}

/** Each row is a segment without a parent; the archive returns one entry per row. */
function toPack(rows: readonly EncodedRow[], members: number[]): Pack {
  const lengths = Int32Array.from(members, (row) => rows[row]!.fields.ids.length);
  const tokens = members.map((row) => rows[row]!.fields);
  return {
    batch: {
      fields: joinFields(["ids"], tokens),
      lengths,
      parents: new Int32Array(members.length).fill(-1),
      rowLengths: lengths,
      pooled: new Int32Array(0),
      gates: new Int32Array(0),
    },
    rows: members,
    pooledOffsets: [0, ...members.map((_, i) => i + 1)],
    savedTokens: 0,
  };
}

/**
 * The config's, as transformers pools by it. Without one a traced classifier reads the last token of the batch, which
 * is right only for rows of equal length.
 */
function readPadTokenId(config: unknown): number | undefined {
  const parsed = v.safeParse(padConfig, config);
  return parsed.success ? (parsed.output.pad_token_id ?? undefined) : undefined;
}
