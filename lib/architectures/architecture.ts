import type { Dtype } from "../native/binding.js";
import type { InputFormat } from "../rows/types.js";
import type { TokenFieldSizes } from "../tokenizer/token-fields.js";
import type { PositionTable } from "./family.js";
import type { PoolingRule } from "./pooling.js";
import type { Program } from "./stage.js";
import type { RewardStatistics } from "./statistics.js";

/** What a checkpoint's config and tensors say about the program that runs it. Nothing of it takes memory yet. */
export interface Architecture {
  /** "LlamaForSequenceClassification" */
  name: string;
  spec: Program;
  /** What the checkpoint is stored in. */
  dtype: Dtype;
  vocabularySize: number;
  /** How long the rows are that it was made for, where the config says so; longer ones are computed all the same. */
  maxPositions?: number;
  /** Where positions end; longer rows cannot be computed. */
  positionTable?: PositionTable;
  pooling: PoolingRule;
  /** What the model reads unless somebody says otherwise. */
  inputFormat: InputFormat;
  /** A token's state depends on nothing that stands behind it, so that rows may share what they begin with. */
  causal: boolean;
  /** What the program reads of a token beside its id. */
  tokenFields: TokenFieldSizes;
  /** Width of the score: 1, or more for a head with several labels. */
  labels: number;
  /** Names of the labels, where the config names them. */
  labelNames?: readonly string[];
  /** Names of the columns of the extra outputs "rewards" and "gating", where they are published. */
  attributeNames?: readonly string[];
  /** The id that every row has to end with; it is appended to rows that do not. */
  finalTokenId?: number;
  /** Tensors of the checkpoint that nothing reads. */
  unusedTensors: readonly string[];
  /** How the class was concluded, and what the checkpoint has for the score and the program does not apply. */
  warnings: readonly string[];
  /** Of the rewards in training, where the config has them. Scores are raw unless somebody wants them normalised. */
  statistics?: RewardStatistics;
  /** What sentence-transformers applies to the logits, where the config says so. */
  statedActivation?: string;
  /** Rows of different classes rotate the same token differently and may not share a prefix. */
  ropeClass: (rowLength: number) => number;
}
