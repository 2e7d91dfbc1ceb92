import type { InputFormat } from "../rows/types.js";
import type { TokenFieldSizes } from "../tokenizer/token-fields.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import type { Config } from "./config/keys.js";
import type { HeadBuilder } from "./heads.js";
import type { PoolingRule } from "./pooling.js";
import type { Rope } from "./rope.js";
import type { Stage } from "./stage.js";

/** The models that have one kind of trunk: how they are known, and how the trunk is built. */
export interface Family {
  /** Of the architectures: "Llama" in LlamaForSequenceClassification. */
  classNames: readonly string[];
  /** Of config.model_type, in the order of the class names: "llama". */
  modelTypes: readonly string[];
  /** What an absent pad_token_id means. */
  padTokenId: number | null;
  classifier: Classifier;
  /**
   * Binds the trunk to a checkpoint.
   *
   * @param config of the text model, where there are several
   * @throws ERR_MODEL_CONFIG, ERR_WEIGHTS, ERR_NOT_SUPPORTED
   */
  build: (config: Config, tensors: CheckpointTensors) => Trunk;
}

/** The family's own class for sequence classification in transformers. */
export interface Classifier {
  /** A linear of its head: a checkpoint that has it has this head. */
  module: string;
  head: HeadBuilder;
  pooling: PoolingRule;
  /** What the family's models are trained to read. */
  inputFormat: InputFormat;
}

/** A table with a row for every position. */
export interface PositionTable {
  rows: number;
  /** RoBERTa: this id takes no position of its own, and the others are counted from the one behind it on. */
  countsFrom?: number;
}

/** A trunk bound to a checkpoint: everything before the head. */
export interface Trunk {
  stages: Stage[];
  /** Name of the embedding's tensor: its rows are the vocabulary, its type is what the checkpoint is stored in. */
  embedding: string;
  /** Width of what the head reads. */
  hidden: number;
  /** How long the rows are that it was made for, where the config says so; longer ones are computed all the same. */
  maxPositions?: number;
  /** Rows have to fit into it: others than `maxPositions`, it ends. */
  positionTable?: PositionTable;
  /** A token's state depends on nothing that stands behind it. */
  causal: boolean;
  /** What the stages read of a token in their batch beside "ids", and the rows of its table; default nothing. */
  tokenFields?: TokenFieldSizes;
  ropes: readonly Rope[];
}
