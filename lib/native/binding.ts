/**
 * The engine addon's surface: types only, no logic. C++ knows TorchScript, tensors and devices; nothing here knows
 * about rows, chat templates or the Hub.
 *
 * Every promise rejects with a RewardModelScoreError; the class is handed to C++ by `initialize`.
 */
import type { RewardModelScoreError } from "../errors.js";
import type { TokenFields } from "../tokenizer/token-fields.js";

export interface NativeBinding {
  /**
   * Once per environment, before anything else.
   *
   * @param cudaProblem why libtorch's CUDA half, if it has one, does not open
   * @param cpu the instruction set of the CPU's kernels, "portable", "avx2", …; default: the best of this processor
   * @throws ERR_INVALID_OPTION for an instruction set that is unknown, that this processor lacks, or beside another one
   */
  initialize(ErrorClass: typeof RewardModelScoreError, cudaProblem?: string, cpu?: string): void;
  runtimeInfo(): RuntimeInfo;
  /** What the CPU keeps the linears of a model of this type in: float32 for bfloat16 where it has no instructions for that. */
  packedDtype(dtype: Dtype): Dtype;
  /** The CPU and the accelerators that libtorch can use, those of a kind in the order of their index. */
  devices(): DeviceInfo[];
  /**
   * Reads the headers of safetensors or torch .bin files and checks them. Paths are absolute, in shard order. A
   * TorchScript archive will do too: its tensors are named by the attributes and indexes that lead to them.
   */
  openCheckpoint(files: readonly (string | CheckpointFile)[]): Promise<NativeCheckpoint>;
  /** A file that was saved inside a TorchScript archive, beside its program; undefined if it has none of that name. */
  readExtraFile(archive: string, name: string): Promise<string | undefined>;
  /** A TorchScript archive that somebody exported. It runs on right-padded batches. */
  loadArchive(options: ArchiveOptions): Promise<NativeModel>;
  /** A built-in program, compiled from its source and bound to the checkpoint's weights. It runs on packed batches. */
  loadProgram(spec: ProgramSpec, options: ProgramOptions): Promise<NativeModel>;
  /** Saves a built-in program of reference ops with its weights as a TorchScript archive. */
  exportProgram(spec: ProgramSpec, options: ExportOptions): Promise<void>;
  /** Floating point operations per second of a device's own products of large matrices: the ceiling of a model's linears. */
  productRate(options: ProductRateOptions): Promise<number>;
}

export interface RuntimeInfo {
  /** Version of the libtorch that is loaded, for example "2.13.0". */
  libtorch: string;
  /** What ATen dispatches to: "AVX512", "AVX2", "DEFAULT". */
  cpuCapability: string;
  /** CUDA as libtorch sees it; `reason` says what is missing: a CUDA build, a driver, a newer driver, a device. */
  cuda: { available: boolean; devices: string[]; reason?: string };
  /** Threads that a model gets unless told otherwise: physical cores, within affinity and cgroup limits. */
  threads: number;
  /** Paths of the OpenMP libraries in the process; more than one fight for the cores. */
  openmp: string[];
  parallel: string;
}

export interface DeviceInfo {
  /** "cpu", "cuda:0", … */
  name: string;
  /** "cpu", "cuda", … */
  kind: string;
  /** Bytes of memory, and those of them that a model can have. */
  total: number;
  free: number;
}

export interface ArchiveOptions {
  path: string;
  /** "cpu", "cuda:0", … */
  device: string;
  /** What the model computes in, by the type that the archive's weights have. */
  dtypes: Record<Dtype, Dtype>;
  /** 0 = physical cores; at most 1024, and what the system lets the process start. */
  threads: number;
  /** The id that fills the right of shorter rows, from 0 on; the attention mask is 0 there. */
  padTokenId: number;
  onProgress?: (fraction: number) => void;
}

export type Dtype = "float32" | "bfloat16" | "float16";

export interface NativeModel {
  /** Bytes of weights this model holds in memory, as they are there: packed, and on some CPUs widened. */
  readonly bytes: number;
  /** "float32", … : what it computes in. */
  readonly dtype: Dtype;
  /** Scores one batch. Batches run in the order of the calls; the arrays are copied before the call returns. */
  forward(batch: PackedBatch): Promise<BatchScores>;
  /** Drops batches that have not started (they reject with ERR_NOT_LOADED), waits for the running one, frees. Idempotent. */
  dispose(): Promise<void>;
}

/**
 * The tokens of some rows, one segment after the other, without padding.
 *
 * A segment continues its parent: it attends to its chain of ancestors and causally to itself, and its positions go on
 * where the parent's end. Without shared prefixes every row is one segment and every parent is -1. Archives accept
 * only such batches, and pad them on the right themselves.
 */
export interface PackedBatch {
  /**
   * [tokens] each. A program's stages find every one in their batch as int64, under its name, which may not be that of
   * what is derived from the batch ("positions", …); archives are given the ids alone.
   */
  fields: TokenFields;
  /** [segments], each at least 1; they sum to the number of tokens. */
  lengths: Int32Array;
  /** [segments] index of the segment that this one continues, smaller than its own; -1 = none. */
  parents: Int32Array;
  /**
   * [segments] number of tokens of the whole row (or of any row that shares the segment): what RoPE scalings that
   * depend on the length look at.
   */
  rowLengths: Int32Array;
  /** [pooled] index of each token that the head reads; for archives empty. */
  pooled: Int32Array;
  /** [pooled] index of the token that a gating head reads; empty when the head has no gate. */
  gates: Int32Array;
}

export interface BatchScores {
  /** [rows × labels] in row order (archives) or in the order of `pooled` (programs). */
  scores: Float32Array;
  labels: number;
  /** Further outputs of the head by name, each [pooled × width]: "rewards", "gating". */
  extra: Record<string, { values: Float32Array; width: number }>;
}

export interface CheckpointFile {
  path: string;
  /** What is put in front of the names of its tensors, so that they are not those of another file. */
  prefix: string;
}

export interface NativeCheckpoint {
  readonly tensors: TensorInfo[];
  close(): void;
}

export interface TensorInfo {
  name: string;
  /** As the file spells it: "F32", "F16", "BF16", "I64", … */
  dtype: string;
  shape: number[];
  /** Index into the files that the checkpoint was opened with. */
  file: number;
}

/**
 * A program: stages that run one after the other, named like the modules of the transformers checkpoint so that a
 * device map written for transformers works unchanged.
 */
export interface ProgramSpec {
  stages: StageSpec[];
  /** Text of native/ops/reference.py: the ops that the stages' sources name, where no fused kernel takes their place. */
  reference: string;
  /** Saved into an exported archive: file name → text (config.json, chat_template.jinja, …). */
  extraFiles?: Record<string, string>;
}

export interface StageSpec {
  /** "model.embed_tokens", "model.layers.0", …, "model.norm", "score" */
  name: string;
  /** TorchScript source of the stage: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor`. */
  source: string;
  /** Constants of the module: numbers become float if `float` says so, else int. */
  attributes: Record<string, Attribute>;
  /** Tensors of the module, by attribute name; `null` declares the attribute as None, so that the source can test for it; an array makes a list (experts). */
  weights: Record<string, WeightSpec | WeightSpec[] | null>;
}

export type Attribute =
  | { int: number }
  | { float: number }
  | { bool: boolean }
  | { string: string }
  | { ints: number[] }
  | { floats: number[] };

export interface WeightSpec {
  /**
   * "linear" weights are packed for the device; "dense" ones stay plain tensors, and so do "table"s, of which a batch
   * looks up few rows (`lookup`): one that is not on a device stays where it is, its rows are what moves, and on disk
   * it has the dtype of its file.
   */
  kind: "linear" | "dense" | "table";
  /** "model" = the model's dtype, else fixed: norms' own arithmetic is float32, heads stay float32. */
  dtype: "model" | "float32";
  /** Read one after the other and concatenated along dimension 0 (for example q, k and v). */
  parts: WeightPart[];
  /** Only for linears: bias of each part, concatenated the same way; null = that part has none, which counts as zeros. */
  bias?: (WeightPart | null)[];
  /** Expected shape after concatenation; another one is ERR_WEIGHTS. */
  shape: number[];
}

export interface WeightPart {
  /** Name in the checkpoint. */
  tensor: string;
  /** What it is multiplied by before anything else is done with it. */
  scale?: WeightScale;
  /** Added to it, or to the product, before anything else is done with it. */
  delta?: WeightDelta;
  /** Applied in this order when present. */
  reshape?: number[];
  /** Select along one dimension of the (reshaped) tensor: half-open range. */
  slice?: { dim: number; start: number; end: number };
  transpose?: boolean;
  /** Final shape of the part. */
  flatten?: number[];
}

/**
 * Factors of the blocks of a tensor's last two dimensions (a vector is one row), row by row; each matrix of a stack has
 * its own. The product is made in float32 and rounded once, to the type that the weight has in the model.
 */
export interface WeightScale {
  /** Name in the checkpoint of the factors, one for each block, in any shape. */
  tensor: string;
  /** Blocks at the lower and right edge may be cut. */
  block: [rows: number, columns: number];
}

/**
 * What LoRA adds to a tensor [out, in], computed in float32 whatever either is stored in: scale * (b @ a). The sum is
 * rounded once, to the type that the weight has in the model.
 */
export interface WeightDelta {
  /** Name in the checkpoint of the factor [rank, in]. Absent: what is added to a vector [out] is scale * b. */
  a?: string;
  /** Of the factor [out, rank], or of the vector. */
  b: string;
  scale: number;
  /** The tensor is [in, out], as embeddings and GPT-2's linears are; so is what is added. */
  transposed?: boolean;
  /** DoRA: a vector [out]; the weights of each output are scaled to that norm, in float32, after the sum. */
  magnitude?: string;
}

export interface ProgramOptions {
  checkpoint: NativeCheckpoint;
  /** float16 only where an accelerator computes. */
  dtype: Dtype;
  threads: number;
  /** Name of every stage → "cpu", "disk" or an accelerator. */
  stageDevices: Record<string, string>;
  /** Where stages on "cpu" and "disk" are computed: an accelerator if a stage is on one, else "cpu". */
  executionDevice: string;
  onProgress?: (fraction: number) => void;
}

export interface ProductRateOptions {
  /** "cpu", "cuda:0", … */
  device: string;
  dtype: Dtype;
  /** 0 = physical cores; at most 1024, and what the system lets the process start. */
  threads: number;
}

export interface ExportOptions {
  checkpoint: NativeCheckpoint;
  dtype: Dtype;
  output: string;
  /**
   * TorchScript module that picks the tokens the head reads:
   * `def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tuple[Tensor, Tensor]` takes int64 [B, T] twice and
   * returns int64 columns [B] of the pooled tokens and of the gate's tokens ([0] when the head has no gate). A row
   * without such a token has -1 there, and NaN as its scores.
   */
  pooling: ModuleSource;
  /**
   * TorchScript module that makes the batch that the stages read:
   * `def forward(self, input_ids: Tensor, attention_mask: Tensor, picked: Tuple[Tensor, Tensor], fields: Dict[str, Tensor])
   * -> Tuple[Dict[str, Tensor], Tensor]` takes what `pooling` takes and returns, and `fields`, and returns the batch and bool
   * [B]: the row lacks a token.
   */
  packing: ModuleSource;
  /** Fields of the batch → further arguments of the archive's forward, int64 [B, T] each; without them fields are 0. */
  fields: Record<string, string>;
}

export interface ModuleSource {
  source: string;
  attributes: Record<string, Attribute>;
}
