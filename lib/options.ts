import { availableParallelism, cpus } from "node:os";
import * as v from "valibot";
import { readPlacement } from "./device-map/request.js";
import { readDeviceEnvironment } from "./env.js";
import { RewardModelScoreError } from "./errors.js";
import { innermostIssue } from "./innermost-issue.js";
import { DEMO_MODEL } from "./demo.js";
import { reasonOf } from "./rows/text.js";
import { counterpartOf, describeCounterpart } from "./other-names.js";

/**
 * Options of `RewardModelScore`. Names and meanings are those of distilabel's `RewardModelScore` step and of
 * `from_pretrained`; what has no counterpart there says so.
 */
export interface RewardModelScoreOptions<Column extends string = string> {
  /**
   * Hub repository (`owner/name`), a directory with `config.json`, or either of a LoRA adapter (`adapter_config.json`); a
   * TorchScript archive (`….pt`), or `"demo"`: the small model that is part of this package.
   */
  model: string;
  /**
   * A LoRA adapter of PEFT, applied to the model's weights while they are read: a directory or Hub repository with
   * `adapter_config.json`. Not for a `model` that is an adapter itself, whose base is found by its name.
   */
  adapter?: string;
  /** Branch, tag or commit. Default `"main"`. */
  revision?: string;
  /**
   * What the model computes in. `"auto"` (default) is the checkpoint's own type. On a CPU, which only emulates float16,
   * that is computed in float32, also where it is asked for.
   */
  torchDtype?: "auto" | "float32" | "bfloat16" | "float16";
  /** Allow a TorchScript archive that was fetched from the Hub to run. Default `false`; local files are your own. */
  trustRemoteCode?: boolean;
  /**
   * Where the model's modules go, in all forms of `from_pretrained`: a device (`"cpu"`, `"cuda"`, `"cuda:1"`, an index),
   * a mode that plans (`"auto"`, `"balanced"`, `"balanced_low_0"`, `"sequential"`), or an object from module names to
   * devices and `"disk"`. Default `null`: the CPU.
   */
  deviceMap?: string | number | Record<string, string | number> | null;
  /**
   * Limits that a map is planned with: `{ 0: "10GiB", cpu: "30GiB" }`. Without a `deviceMap` they mean `"auto"`; a
   * device that is left out is not used, and what has no room stays on the disk.
   */
  maxMemory?: Record<string, string | number>;
  /**
   * The whole model on each of several devices, which share the rows: as many accelerators, those with these names or
   * indexes, or `"auto"`: all that have room for it. Not together with `deviceMap`. No counterpart in Python.
   */
  replicas?: "auto" | number | (string | number)[];
  /**
   * GPUs that may be used, by their indexes among those that this process sees. `"auto"`: as few as hold the model, of
   * those that no other step on this host uses. Default: `"auto"` for `deviceMap: "cuda"`, else all.
   */
  cudaDevices?: "auto" | number[];
  /** Neither look at what your other steps on this host use, nor tell them. Default `false`. */
  disableCudaDevicePlacement?: boolean;
  /** Hub token. Default: `HF_TOKEN`, else the token file of the Hugging Face client. */
  token?: string;
  /** Cut texts longer than `maxLength`. Default `false`. */
  truncation?: boolean;
  /** Tokens a text may have; without `truncation` it has no effect, of which `load` warns. Default `null`: the tokenizer's own limit. */
  maxLength?: number | null;
  /** The step's input → the row's column: `{ instruction: "prompt" }`. */
  inputMappings?: Record<string, string>;
  /** The step's output → the row's column: `{ score: "reward" }`. */
  outputMappings?: { score?: Column };
  /** Rows per array that `process` yields. Default 50. Scores do not depend on it. */
  inputBatchSize?: number;
  /** Directory of the tokenizer's files, or a Hub repository. Default: the model's own. */
  tokenizer?: string;
  /**
   * `"chat"` renders the chat template; `"pair"` encodes (instruction, response) as two sequences. Default: what models
   * of this family read, which is `"chat"` for all that are built in, and for archives.
   */
  inputFormat?: "chat" | "pair";
  /** A Jinja chat template that replaces the tokenizer's. */
  chatTemplate?: string;
  /**
   * Which token the head reads. `"hf"` (default): as transformers does, the last one that is not `pad_token_id`, or
   * what a custom head's own code says. `"last"`: the last token, for checkpoints whose pad token ends every text.
   */
  pooling?: "hf" | "last";
  /**
   * `"model"`: scores are (score - mean) / std, with the `mean` and `std` of the rewards in training that OpenRLHF writes
   * into config.json; an error where the model has none. Default `"none"`: the raw logit. No counterpart in Python.
   */
  normalize?: "none" | "model";
  /**
   * What is applied to the logits, after `normalize`: `"sigmoid"`, to each; `"softmax"`, over the labels of a row;
   * `"model"`: what sentence-transformers wrote into the config.json of a CrossEncoder, an error where that states none.
   * Default `"none"`: raw scores. No counterpart in Python's distilabel.
   */
  activation?: "none" | "sigmoid" | "softmax" | "model";
  /** Also return a custom head's named outputs (ArmoRM's rewards and gating). Default `false`. */
  attributes?: boolean;
  /**
   * CPU threads, at most eight for each logical processor of the machine. Default: the physical cores this process may
   * use.
   */
  threads?: number;
  /** Tokens computed per batch; bounds memory. Scores of built-in programs do not depend on it. Default 4096. */
  maxBatchTokens?: number;
  /** Compute the common beginning of rows once. Default `true`; only built-in programs do it. */
  sharePrefixes?: boolean;
  /** Folder of the Hub cache. Default: as `huggingface_hub`, `HF_HUB_CACHE` or `~/.cache/huggingface/hub`. */
  cacheDir?: string;
  /** Use only what is in the Hub cache. Default `false`. */
  localFilesOnly?: boolean;
  /** Folder of libtorch. Default: searched, see `reward-model-score doctor`. */
  libtorch?: string;
}

const positiveInteger = v.pipe(v.number(), v.integer(), v.minValue(1));
const stringMap = v.record(v.string(), v.string());

/** Beyond some for each processor they only wait for each other, and OpenMP dies of thousands. */
const THREADS_A_PROCESSOR = 8;
const processors = Math.max(cpus().length, availableParallelism());
const mostThreads = THREADS_A_PROCESSOR * processors;
const tooManyThreads = ({ input }: { input: number }) =>
  `Option threads is ${input}, but this machine has ${processors} logical processors: use at most ${mostThreads}, or ` +
  `leave it out for as many as there are physical cores.`;

const schema = v.strictObject({
  model: v.pipe(
    v.string(),
    v.minLength(1),
    v.transform((model) => (model === "demo" ? DEMO_MODEL : model)),
  ),
  adapter: v.optional(v.pipe(v.string(), v.minLength(1))),
  revision: v.optional(v.pipe(v.string(), v.minLength(1)), "main"),
  torchDtype: v.optional(v.picklist(["auto", "float32", "bfloat16", "float16"]), "auto"),
  trustRemoteCode: v.optional(v.boolean(), false),
  deviceMap: v.optional(
    v.nullable(
      v.union([
        v.string(),
        v.pipe(v.number(), v.integer()),
        v.record(v.string(), v.union([v.string(), v.number()])),
      ]),
    ),
    null,
  ),
  maxMemory: v.optional(v.record(v.string(), v.union([v.string(), v.number()]))),
  replicas: v.optional(
    v.union([
      v.literal("auto"),
      positiveInteger,
      v.pipe(v.array(v.union([v.string(), v.number()])), v.minLength(1)),
    ]),
  ),
  cudaDevices: v.optional(
    v.union([
      v.literal("auto"),
      v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1)),
    ]),
  ),
  disableCudaDevicePlacement: v.optional(v.boolean(), false),
  token: v.optional(v.string()),
  truncation: v.optional(v.boolean(), false),
  maxLength: v.optional(v.nullable(positiveInteger), null),
  inputMappings: v.optional(stringMap, {}),
  outputMappings: v.optional(stringMap, {}),
  inputBatchSize: v.optional(positiveInteger, 50),
  tokenizer: v.optional(v.pipe(v.string(), v.minLength(1))),
  inputFormat: v.optional(v.picklist(["chat", "pair"])),
  chatTemplate: v.optional(v.string()),
  pooling: v.optional(v.picklist(["hf", "last"]), "hf"),
  normalize: v.optional(v.picklist(["none", "model"]), "none"),
  activation: v.optional(v.picklist(["none", "sigmoid", "softmax", "model"]), "none"),
  attributes: v.optional(v.boolean(), false),
  threads: v.optional(v.pipe(positiveInteger, v.maxValue(mostThreads, tooManyThreads))),
  maxBatchTokens: v.optional(positiveInteger, 4096),
  sharePrefixes: v.optional(v.boolean(), true),
  cacheDir: v.optional(v.string()),
  localFilesOnly: v.optional(v.boolean(), false),
  libtorch: v.optional(v.string()),
});

/** Options with their defaults filled in. */
export type ResolvedOptions = v.InferOutput<typeof schema>;

/** Checks the options and fills in the defaults; throws ERR_INVALID_OPTION that names the option. */
export function resolveOptions(options: RewardModelScoreOptions): ResolvedOptions {
  const result = parse(options);
  if (!result.success) {
    // A name that is no option may stand for one that is missing.
    const issue = result.issues.find(isUnknownKey) ?? result.issues[0];
    const { place: option = "options", issue: problem } = innermostIssue(issue);
    throw new RewardModelScoreError("ERR_INVALID_OPTION", describeIssue(option, problem), { option });
  }
  const resolved = result.output;
  readPlacement(resolved, readDeviceEnvironment().localRank);
  return resolved;
}

function parse(options: unknown): v.SafeParseResult<typeof schema> {
  try {
    return v.safeParse(schema, options);
  } catch (cause) {
    const message = `The options cannot be read: ${reasonOf(cause)}.`;
    throw new RewardModelScoreError("ERR_INVALID_OPTION", message, { option: "options" }, { cause });
  }
}

function isUnknownKey(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function describeIssue(option: string, issue: v.BaseIssue<unknown>): string {
  if (isUnknownKey(issue)) {
    const names = Object.keys(schema.entries);
    const counterpart = counterpartOf(option, names);
    const hint = counterpart === undefined ? "" : ` ${describeCounterpart(counterpart)}`;
    return `There is no option "${option}".${hint} Options: ${names.join(", ")}.`;
  }
  if (issue.type === "max_value") return issue.message;
  if (option === "model" && issue.input === undefined)
    return `Option model is missing. It names a Hub repository, a directory, a TorchScript archive, or "demo".`;
  return `Option ${option}: expected ${issue.expected ?? issue.type} but received ${issue.received}.`;
}
