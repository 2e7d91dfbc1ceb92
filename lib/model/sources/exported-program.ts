import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import type { Architecture } from "../../architectures/architecture.js";
import { describeArchitecture } from "../../architectures/describe.js";
import type { PoolingRule } from "../../architectures/pooling.js";
import { RewardModelScoreError } from "../../errors.js";
import type { LoraConfig } from "../../model-files/adapter-config.js";
import type { Dtype, NativeBinding, ProgramSpec, TensorInfo, WeightSpec } from "../../native/binding.js";
import { parseJson } from "../../model-files/json.js";
import type { ModelFiles } from "../locate.js";
import { poolingRule, ProgramSource, type ProgramParts } from "./program.js";
import { sizeOf } from "./source.js";

/** What an exported archive says of itself, as a file inside it beside config.json. */
const RECORD = "reward_model_score.json";
/** Of the record, and of the places where an archive keeps its weights. */
const FORMAT = 1;

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const finite = v.pipe(v.number(), v.finite());
const loraSchema: v.GenericSchema<LoraConfig> = v.strictObject({
  rank: natural,
  alpha: finite,
  ranks: v.record(v.string(), natural),
  alphas: v.record(v.string(), finite),
  rankStabilized: v.boolean(),
  dora: v.boolean(),
  fanInFanOut: v.boolean(),
});
const schema = v.strictObject({
  format: v.literal(FORMAT),
  /** Of the weights that have the model's type. */
  dtype: v.picklist(["float32", "bfloat16", "float16"]),
  /** The rule that the archive's own forward pools by. */
  pooling: v.string(),
  /** Headers of the checkpoint that it was made from: those that the program reads. */
  tensors: v.array(v.strictObject({ name: v.string(), dtype: v.string(), shape: v.array(natural) })),
  /** How those of a LoRA among them were applied. */
  adapter: v.optional(loraSchema),
  /** Stage → attribute → how it was made from those tensors. */
  weights: v.record(v.string(), v.record(v.string(), v.unknown())),
});
type ProgramRecord = v.InferOutput<typeof schema>;

/** The files that make an archive one that `openExportedProgram` knows. */
export function recordFiles(
  {
    architecture,
    tensors,
    config,
    adapter,
  }: Pick<ProgramParts, "architecture" | "tensors" | "config" | "adapter">,
  dtype: Dtype,
  pooling: PoolingRule,
): Record<string, string> {
  const unused = new Set(architecture.unusedTensors);
  const record: ProgramRecord = {
    format: FORMAT,
    dtype,
    pooling: pooling.rule,
    tensors: tensors
      .filter(({ name }) => !unused.has(name))
      .map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    ...(adapter && { adapter }),
    weights: weightsOf(architecture.spec),
  };
  return { "config.json": config, [RECORD]: JSON.stringify(record) };
}

/**
 * Opens an archive that `exportModel` wrote as what it was made from: the built-in program, with weights that lie in the
 * archive. Nothing of the archive's own code is run, and its record is believed no more than a config.json: the program
 * is described anew from the config and the headers, and has to want the very weights that the archive holds.
 *
 * @returns undefined for an archive that came from elsewhere, and for one beside a checkpoint: where no program covers
 *   that, none covers what was exported from it
 * @throws ERR_MODEL_CORRUPT, ERR_NOT_SUPPORTED for an archive of another version, and what `describeArchitecture` throws
 */
export async function openExportedProgram(
  binding: NativeBinding,
  { weights, archive }: ModelFiles,
): Promise<ProgramSource | undefined> {
  if (weights.length > 0 || archive === undefined) return undefined;
  const text = await binding.readExtraFile(archive, RECORD);
  if (text === undefined) return undefined;
  const record = readRecord(text, archive);
  const config = await binding.readExtraFile(archive, "config.json");
  if (config === undefined) throw corrupt(archive, "it has no config.json");
  const tensors = record.tensors.map((tensor): TensorInfo => ({ ...tensor, file: 0 }));
  const described = describeArchitecture({
    config: parseJson(config, `${archive}/config.json`),
    tensors,
    files: [archive],
    adapter: record.adapter,
  });
  if (!isDeepStrictEqual(weightsOf(described.spec), record.weights)) throw ofAnotherVersion(archive);
  const architecture: Architecture = {
    ...described,
    dtype: record.dtype,
    pooling: pooled(described.pooling, record.pooling, archive),
  };
  const bytes = await sizeOf([archive]);
  const checkpoint = await binding.openCheckpoint([archive]);
  const spec = keptInArchive(architecture.spec);
  return new ProgramSource(binding, {
    architecture,
    config,
    tensors,
    adapter: record.adapter,
    spec,
    checkpoint,
    bytes,
  });
}

function readRecord(text: string, archive: string): ProgramRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw corrupt(archive, `${RECORD} is not JSON: ${(error as Error).message}`);
  }
  const { format } = (json ?? {}) as { format?: unknown };
  if (Number.isInteger(format) && format !== FORMAT) throw ofAnotherVersion(archive);
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw corrupt(archive, `${RECORD}: "${v.getDotPath(issue) ?? ""}": ${issue.message}`);
}

function pooled(own: PoolingRule, recorded: string, archive: string): PoolingRule {
  const rules = [own, poolingRule(own, "last")];
  const found = rules.find(({ rule }) => rule === recorded);
  if (found) return found;
  throw corrupt(archive, `${RECORD} names the pooling rule ${JSON.stringify(recorded)}`);
}

/** As JSON has it, which leaves out what is undefined. */
function weightsOf(spec: ProgramSpec): ProgramRecord["weights"] {
  const weights = Object.fromEntries(spec.stages.map((stage) => [stage.name, stage.weights]));
  return JSON.parse(JSON.stringify(weights)) as ProgramRecord["weights"];
}

/**
 * The program with its weights where an archive of it has them: each in one piece under the name of its attribute, a
 * linear's as a tuple of the weight and its bias.
 */
function keptInArchive(spec: ProgramSpec): ProgramSpec {
  const stages = spec.stages.map((stage) => {
    const kept = (weight: WeightSpec, name: string): WeightSpec => {
      const { kind, dtype, shape, bias } = weight;
      if (kind !== "linear") return { kind, dtype, shape, parts: [{ tensor: name }] };
      const own = { kind, dtype, shape, parts: [{ tensor: `${name}.0` }] };
      return bias ? { ...own, bias: [{ tensor: `${name}.1` }] } : own;
    };
    const weights = Object.entries(stage.weights).map(([attribute, entry]) => {
      const name = `${stage.name}.${attribute}`;
      if (Array.isArray(entry)) return [attribute, entry.map((item, i) => kept(item, `${name}.${i}`))];
      return [attribute, entry && kept(entry, name)];
    });
    return { ...stage, weights: Object.fromEntries(weights) as typeof stage.weights };
  });
  return { ...spec, stages };
}

function corrupt(path: string, what: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_MODEL_CORRUPT",
    `The exported archive ${path} is damaged: ${what}. Fetch or export it again.`,
    { path },
  );
}

function ofAnotherVersion(path: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `The archive ${path} was exported by another version of this package, which keeps weights in another way, or was ` +
      `changed since. Export the model again, or use its checkpoint.`,
    { feature: "an archive that another version exported" },
  );
}
