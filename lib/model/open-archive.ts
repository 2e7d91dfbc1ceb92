import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Pack } from "../batching/packed.js";
import { planPaddedBatches } from "../batching/padded.js";
import type { EncodedRow } from "../batching/row.js";
import type { Assignment, PlaceableProgram } from "../device-map/assignment.js";
import { RewardModelScoreError } from "../errors.js";
import type { Dtype, NativeBinding } from "../native/binding.js";
import type { ResolvedOptions } from "../options.js";
import { loadReplicas } from "./load-replicas.js";
import { computeDtype } from "./open-program.js";
import { exists } from "../io/exists.js";
import { readJson } from "../model-files/json.js";
import type { ScoringModel } from "../scoring/scoring-model.js";

const padConfig = v.object({
  pad_token_id: v.optional(
    v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 31 - 1))),
  ),
});

/** An archive as the planner sees it: one linear, of as many weights as the file has room for. */
export async function placeableArchive(
  binding: NativeBinding,
  archive: string,
  torchDtype: ResolvedOptions["torchDtype"],
): Promise<PlaceableProgram> {
  const { size } = await stat(archive);
  const own = await weightType(binding, archive);
  const shape = [Math.ceil(size / (own === "float32" ? 4 : 2))];
  const tensor = `${ARCHIVE}.weights`;
  return {
    stages: [
      {
        name: ARCHIVE,
        block: false,
        source: "",
        attributes: {},
        weights: { all: { kind: "linear", dtype: "model", parts: [{ tensor }], shape } },
      },
    ],
    tensors: [{ name: tensor, dtype: "F32", shape, file: 0 }],
    isWhole: true,
    typesOn: (where) => {
      // Not all of a float32 archive is narrowed where another type is asked for.
      const dtype = own === "float32" ? own : computeDtype(torchDtype, own, where);
      return { dtype, linears: where === "cpu" ? binding.packedDtype(dtype) : dtype };
    },
  };
}

/** float32 also for an archive that holds more than modules and tensors, which only libtorch can read. */
async function weightType(binding: NativeBinding, archive: string): Promise<Dtype> {
  const checkpoint = await binding.openCheckpoint([archive]).catch(() => undefined);
  const stored = checkpoint?.tensors.find(({ dtype }) => /^B?F\d+$/.test(dtype))?.dtype;
  checkpoint?.close();
  return stored === "F16" ? "float16" : stored === "BF16" ? "bfloat16" : "float32";
}

const ARCHIVE = "archive";

/** Opens a TorchScript archive, which pools by itself and runs on right-padded batches. */
export async function openArchive(
  binding: NativeBinding,
  archive: string,
  directory: string,
  { map, replicas }: Assignment,
  options: ResolvedOptions,
  onProgress: (fraction: number) => void,
): Promise<ScoringModel> {
  const padTokenId = await readPadTokenId(directory);
  const native = await loadReplicas(replicas, onProgress, ({ stages }, report) =>
    binding.loadArchive({
      path: archive,
      device: requireMemory(stages[ARCHIVE]!),
      dtype: options.torchDtype,
      threads: options.threads ?? 0,
      padTokenId: padTokenId ?? 0,
      onProgress: report,
    }),
  );
  return {
    native,
    deviceMap: map,
    toRow: (ids) => ({ ids, pooled: [], gates: [] }),
    plan: (rows, budget) => {
      const lengths = rows.map(({ ids }) => ids.length);
      const batches = planPaddedBatches(lengths, budget, padTokenId !== undefined);
      return batches.map((members) => toPack(rows, members));
    },
    maxBatchTokens: options.maxBatchTokens,
    scoreShape: { perStep: false, attributes: options.attributes, names: {} },
    weightsPerToken: undefined,
  };
}

function requireMemory(device: string): string {
  if (device !== "disk") return device;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `A TorchScript archive is loaded into memory as a whole and cannot stay on the disk. Give it a device with room, ` +
      `or use the model's weights, whose layers can be left there.`,
    { feature: "an archive on the disk" },
  );
}

/** Each row is a segment without a parent; the archive returns one entry per row. */
function toPack(rows: readonly EncodedRow[], members: number[]): Pack {
  const lengths = Int32Array.from(members, (row) => rows[row]!.ids.length);
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const row of members) {
    ids.set(rows[row]!.ids, at);
    at += rows[row]!.ids.length;
  }
  return {
    batch: {
      ids,
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
async function readPadTokenId(directory: string): Promise<number | undefined> {
  const path = join(directory, "config.json");
  if (!(await exists(path))) return undefined;
  const parsed = v.safeParse(padConfig, await readJson(path));
  return parsed.success ? (parsed.output.pad_token_id ?? undefined) : undefined;
}
